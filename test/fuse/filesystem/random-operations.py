"""Random operations on one file, each checked against a plain buffer; ends with a complaint at the first difference.

usage: random-operations.py FILE SEED COUNT
"""

import ctypes
import mmap
import os
import random
import sys

path, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
SIZE_MAX = 400_000
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
rng = random.Random(seed)
libc = ctypes.CDLL(None, use_errno=True)
page = mmap.PAGESIZE

handles = [os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)]
handles.append(os.open(path, os.O_RDWR))
direct = os.open(path, os.O_RDWR | os.O_DIRECT)
expected = bytearray()
log = []


def some_bytes(length):
    return rng.randbytes(length)


def a_range(within):
    """A range that is often at the edges of pages, where mistakes are."""
    start = rng.randrange(within + 1)
    if rng.random() < 0.3:
        start -= start % page
    length = rng.choice((1, 7, page - 1, page, page + 1, rng.randrange(1, 70_000)))
    return start, max(1, min(length, SIZE_MAX - start))


def grow_to(size):
    if size > len(expected):
        expected.extend(bytes(size - len(expected)))


def put(start, data):
    grow_to(start + len(data))
    expected[start : start + len(data)] = data


def write(fd):
    start, length = a_range(min(len(expected) + 20_000, SIZE_MAX - 1))
    data = some_bytes(length)
    assert os.pwrite(fd, data, start) == length
    put(start, data)
    return 'write', start, length


def write_vector(fd):
    start, length = a_range(min(len(expected) + 5_000, SIZE_MAX - 1))
    pieces = [some_bytes(length // 3), some_bytes(length - length // 3)]
    assert os.pwritev(fd, pieces, start) == length
    put(start, b''.join(pieces))
    return 'writev', start, length


def append(fd):
    data = some_bytes(rng.randrange(1, 5_000))
    if len(expected) + len(data) > SIZE_MAX:
        return 'append nothing', 0, 0
    end = len(expected)
    appending = os.open(path, os.O_WRONLY | os.O_APPEND)
    assert os.write(appending, data) == len(data)
    os.close(appending)
    put(end, data)
    return 'append', end, len(data)


def read(fd):
    start, length = a_range(len(expected))
    compare('read', os.pread(fd, length, start), start, length)
    return 'read', start, length


def read_directly(fd):
    start, length = a_range(len(expected))
    buffer = mmap.mmap(-1, length)
    got = os.preadv(direct, [buffer], start)
    compare('read directly', buffer[:got], start, length)
    return 'read directly', start, length


def write_directly(fd):
    start, length = a_range(min(len(expected), SIZE_MAX - 1))
    buffer = mmap.mmap(-1, length)
    buffer[:] = some_bytes(length)
    assert os.pwritev(direct, [buffer], start) == length
    put(start, buffer[:])
    return 'write directly', start, length


def map_and(what):
    def operation(fd):
        if not expected:
            return 'map nothing', 0, 0
        start, length = a_range(len(expected) - 1)
        length = min(length, len(expected) - start)
        private = what == 'write private'
        mapping = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE if private else mmap.MAP_SHARED)
        compare('mapped', mapping[start : start + length], start, length)
        if what != 'read':
            data = some_bytes(length)
            mapping[start : start + length] = data
            if not private:
                put(start, data)
            if rng.random() < 0.3:
                mapping.flush()
        mapping.close()
        return 'map and ' + what, start, length

    return operation


def truncate(fd):
    size = rng.randrange(SIZE_MAX)
    if rng.random() < 0.5:
        os.ftruncate(fd, size)
    else:
        os.truncate(path, size)
    del expected[size:]
    grow_to(size)
    return 'truncate', size, 0


def fallocate(mode):
    def operation(fd):
        start, length = a_range(SIZE_MAX - 1)
        if libc.fallocate(fd, mode, ctypes.c_long(start), ctypes.c_long(length)) != 0:
            raise OSError(ctypes.get_errno(), 'fallocate')
        if not mode & KEEP_SIZE:
            grow_to(start + length)
        end = min(start + length, len(expected))
        if mode & (PUNCH_HOLE | ZERO_RANGE) and start < end:
            expected[start:end] = bytes(end - start)
        return f'fallocate {mode}', start, length

    return operation


def copy(fd):
    start, length = a_range(len(expected))
    length = min(length, len(expected) - start)
    to = rng.randrange(min(len(expected) + 10_000, SIZE_MAX - length))
    if length == 0 or abs(to - start) < length:
        return 'copy nothing', 0, 0
    done = 0
    while done < length:
        data = expected[start + done : start + length]
        copied = os.copy_file_range(fd, rng.choice(handles), length - done, start + done, to + done)
        assert copied > 0
        put(to + done, data[:copied])
        done += copied
    return 'copy', start, to, length


def seek(fd):
    """Nothing but zeros may lie in a hole."""
    at = rng.randrange(len(expected) + 1)
    try:
        data = os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        data = len(expected)
    assert not any(expected[at:data]), ('a hole with data', at, data)
    if data < len(expected):
        assert data < os.lseek(fd, data, os.SEEK_HOLE) <= len(expected)
    return 'seek', at, data


def sync(fd):
    rng.choice((os.fsync, os.fdatasync))(fd)
    return 'sync', 0, 0


def reopen(fd):
    index = rng.randrange(len(handles))
    os.close(handles[index])
    handles[index] = os.open(path, os.O_RDWR)
    return 'reopen', index, 0


def compare(what, got, start, length):
    want = bytes(expected[start : start + length])
    if got == want:
        return
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    raise AssertionError(f'{what}: {len(got)} bytes for {len(want)}, first difference at {start + at}')


operations = (
    [write] * 5
    + [read] * 5
    + [map_and('read'), map_and('write'), map_and('write private')] * 2
    + [fallocate(mode) for mode in (0, KEEP_SIZE, KEEP_SIZE | PUNCH_HOLE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE)]
    + [write_vector, append, read_directly, write_directly, truncate, truncate, copy, copy, seek, sync, reopen]
)
try:
    for number in range(count):
        log.append(rng.choice(operations)(rng.choice(handles)))
        assert os.fstat(handles[0]).st_size == len(expected), 'size'
        if number % 50 == 0:
            compare('all', os.pread(handles[0], SIZE_MAX, 0), 0, SIZE_MAX)
    compare('all', open(path, 'rb').read(), 0, SIZE_MAX)
except (AssertionError, OSError) as error:
    print(f'seed {seed}, operation {len(log)}: {error!r}; before it {log[-8:]}', file=sys.stderr)
    sys.exit(1)
