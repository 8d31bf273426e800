import * as fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { python, pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
if (!pythonHere) console.warn('SKIPPED: locks on a drive: python3 is missing');

describe.skipIf(!pythonHere).each(direct)('locks on a drive mounted as %s', (mounter) => {
  let drive: MountedDrive;

  beforeAll(async () => {
    drive = await MountedDrive.start(mounter);
  });
  afterAll(async () => {
    await drive[Symbol.asyncDispose]();
  });

  it('of either kind keep another program out until they are released', () => {
    fs.writeFileSync(drive.path('locked'), 'content');
    const complaint = python(
      `import errno, fcntl, os, sys
path = sys.argv[1]
def another_is_kept_out(take):
    child = os.fork()
    if child == 0:
        with open(path, 'r+') as f:
            try: take(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e: os._exit(1 if e.errno in (errno.EAGAIN, errno.EACCES) else 2)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1), code
    return code == 1
for take in (fcntl.flock, fcntl.lockf):
    with open(path, 'r+') as f:
        take(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert another_is_kept_out(take), take
        take(f, fcntl.LOCK_UN)
        assert not another_is_kept_out(take), take`,
      [drive.path('locked')],
    );
    expect(complaint).toBe('');
  });

  it('of fcntl(2) cover ranges, tell their holder, wait, and go with the first close', () => {
    fs.writeFileSync(drive.path('ranges'), 'x'.repeat(100));
    const complaint = python(
      `import errno, fcntl, os, signal, struct, sys, time
path = sys.argv[1]
LOCK = 'hhqqi4x'
def request(fd, command, kind, start, length):
    packed = fcntl.fcntl(fd, command, struct.pack(LOCK, kind, os.SEEK_SET, start, length, 0))
    return struct.unpack(LOCK, packed)
def in_child(call):
    child = os.fork()
    if child == 0:
        fd = os.open(path, os.O_RDWR)
        try: code = call(fd)
        except OSError as e: code = e.errno
        os._exit(code or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
kept_out = (errno.EAGAIN, errno.EACCES)
fd = os.open(path, os.O_RDWR)
request(fd, fcntl.F_SETLK, fcntl.F_WRLCK, 10, 10)
assert in_child(lambda f: request(f, fcntl.F_SETLK, fcntl.F_RDLCK, 15, 1) and None) in kept_out
assert in_child(lambda f: request(f, fcntl.F_SETLK, fcntl.F_WRLCK, 20, 10) and None) == 0
me = os.getpid()
def holder(f):
    kind, _, start, length, pid = request(f, fcntl.F_GETLK, fcntl.F_WRLCK, 0, 0)
    return 0 if (kind, start, length, pid) == (fcntl.F_WRLCK, 10, 10, me) else 1
assert in_child(holder) == 0
# A lock that is waited for comes with the release.
child = os.fork()
if child == 0:
    signal.alarm(15)
    other = os.open(path, os.O_RDWR)
    request(other, fcntl.F_SETLKW, fcntl.F_WRLCK, 10, 10)
    os._exit(7)
request(fd, fcntl.F_SETLK, fcntl.F_UNLCK, 10, 10)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
# Closing any descriptor of the file lets go of all the process has.
request(fd, fcntl.F_SETLK, fcntl.F_WRLCK, 0, 0)
os.close(os.open(path, os.O_RDONLY))
assert in_child(lambda f: request(f, fcntl.F_SETLK, fcntl.F_WRLCK, 0, 0) and None) == 0`,
      [drive.path('ranges')],
    );
    expect(complaint).toBe('');
  });

  it('of an open file description are kept by it, and by all who share it: F_OFD_SETLK, flock(2)', () => {
    fs.writeFileSync(drive.path('described'), 'x'.repeat(100));
    const complaint = python(
      `import errno, fcntl, os, struct, sys
path = sys.argv[1]
GETLK, SETLK = 36, 37
def lock(fd, kind, command=SETLK):
    packed = struct.pack('hhqqi4x', kind, os.SEEK_SET, 0, 10, 0)
    return struct.unpack('hhqqi4x', fcntl.fcntl(fd, command, packed))
def fails(call):
    try: call()
    except OSError as e: return e.errno in (errno.EAGAIN, errno.EACCES)
    return False
first, second = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
lock(first, fcntl.F_WRLCK)
assert fails(lambda: lock(second, fcntl.F_WRLCK))
assert lock(second, fcntl.F_RDLCK, GETLK)[4] == -1
os.close(os.open(path, os.O_RDONLY))
assert fails(lambda: lock(second, fcntl.F_RDLCK))
shared = os.dup(first)
os.close(first)
assert fails(lambda: lock(second, fcntl.F_WRLCK))
os.close(shared)
lock(second, fcntl.F_WRLCK)
lock(second, fcntl.F_UNLCK)
third = os.open(path, os.O_RDWR)
fcntl.flock(second, fcntl.LOCK_SH)
fcntl.flock(third, fcntl.LOCK_SH | fcntl.LOCK_NB)
assert fails(lambda: fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB))
fcntl.flock(second, fcntl.LOCK_UN)
fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
assert fails(lambda: fcntl.flock(second, fcntl.LOCK_SH | fcntl.LOCK_NB))
os.close(third)
fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)`,
      [drive.path('described')],
    );
    expect(complaint).toBe('');
  });
});
