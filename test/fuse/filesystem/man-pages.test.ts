import * as fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { python, pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
const isRoot = process.getuid?.() === 0;
if (!pythonHere) console.warn('SKIPPED: system calls on a drive: python3 is missing');
if (!isRoot) console.warn('SKIPPED: trusted attributes on a drive: only root has them');

/** What the programs below share: system calls that Python lacks, and what must fail with which errno. */
const preamble = `
import ctypes, errno, mmap, os, stat, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
L = ctypes.c_long
def called(result):
    if result < 0: raise OSError(ctypes.get_errno(), 'call')
    return result
def fails(number, call):
    try: call()
    except OSError as e: assert e.errno == number, e
    else: raise AssertionError('did not fail')
def write(name, data=b''):
    with open(name, 'wb') as f: f.write(data)
def rename(a, b, flags): return called(libc.renameat2(-100, a.encode(), -100, b.encode(), flags))
def link(fd, name): return called(libc.linkat(-100, f'/proc/self/fd/{fd}'.encode(), -100, name.encode(), 0x400))
def fallocate(fd, mode, offset, length): return called(libc.fallocate(fd, mode, L(offset), L(length)))
`;

describe.skipIf(!pythonHere).each(direct)('system calls on a drive mounted as %s', (mounter) => {
  let drive: MountedDrive;
  const run = (program: string): string => python(preamble + program, [drive.mountpoint]);

  beforeAll(async () => {
    drive = await MountedDrive.start(mounter);
  });
  afterAll(async () => {
    expect((await drive.counts()).defects).toEqual([]);
    await drive[Symbol.asyncDispose]();
  });

  it('renameat2(2): what RENAME_NOREPLACE and RENAME_EXCHANGE do, and what they refuse', () => {
    const complaint = run(`
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
os.makedirs('r/folder/inner'); write('r/a', b'a'); write('r/b', b'b')
fails(errno.EEXIST, lambda: rename('r/a', 'r/b', NOREPLACE))
fails(errno.EEXIST, lambda: rename('r/a', 'r/a', NOREPLACE))
rename('r/a', 'r/c', NOREPLACE)
fails(errno.ENOENT, lambda: rename('r/b', 'r/none', EXCHANGE))
fails(errno.EINVAL, lambda: rename('r/b', 'r/c', NOREPLACE | EXCHANGE))
fails(errno.EINVAL, lambda: rename('r/b', 'r/c', WHITEOUT))
fails(errno.EINVAL, lambda: rename('r/folder', 'r/folder/inner', EXCHANGE))
fails(errno.EINVAL, lambda: rename('r/folder/inner', 'r/folder', EXCHANGE))
fails(errno.EINVAL, lambda: rename('r/folder', 'r/folder/inner/x', 0))
rename('r/b', 'r/folder', EXCHANGE)
assert open('r/folder').read() == 'b' and os.listdir('r/b') == ['inner']
assert os.stat('r').st_nlink == 3
rename('r/folder', 'r/b/inner', EXCHANGE)
assert open('r/b/inner').read() == 'b' and stat.S_ISDIR(os.stat('r/folder').st_mode)
assert (os.stat('r').st_nlink, os.stat('r/b').st_nlink) == (4, 2)
os.link('r/c', 'r/d')
rename('r/c', 'r/d', 0)
assert os.path.exists('r/c') and os.stat('r/d').st_nlink == 2
rename('r/c', 'r/d', EXCHANGE)
fd = os.open('r/d', os.O_RDONLY)
write('r/new', b'new'); rename('r/new', 'r/d', 0)
assert os.fstat(fd).st_nlink == 1 and os.read(fd, 9) == b'a' and open('r/d').read() == 'new'`);
    expect(complaint).toBe('');
  });

  it('open(2): a file of O_TMPFILE has no name until it is given one, which O_EXCL forbids', () => {
    const complaint = run(`
fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o640)
s = os.fstat(fd)
assert s.st_nlink == 0 and stat.S_ISREG(s.st_mode) and s.st_size == 0
before = os.listdir('.')
os.write(fd, b'no name')
assert os.listdir('.') == before
link(fd, 'named')
assert os.fstat(fd).st_nlink == 1 and open('named').read() == 'no name'
exclusive = os.open('.', os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
fails(errno.ENOENT, lambda: link(exclusive, 'never'))
fails(errno.EINVAL, lambda: os.open('.', os.O_TMPFILE | os.O_RDONLY))
unlinked = os.open('named', os.O_RDONLY)
os.unlink('named')
fails(errno.ENOENT, lambda: link(unlinked, 'again'))`);
    expect(complaint).toBe('');
  });

  it('open(2), unlink(2), rmdir(2): what is removed stays usable while it is open', () => {
    const complaint = run(`
os.mkdir('gone'); here = os.open('gone', os.O_RDONLY)
os.rmdir('gone')
assert os.fstat(here).st_nlink == 0 and os.listdir(here) == []
fails(errno.ENOENT, lambda: os.open('x', os.O_CREAT | os.O_WRONLY, dir_fd=here))
fails(errno.ENOENT, lambda: os.mkdir('x', dir_fd=here))
fd = os.open('file', os.O_CREAT | os.O_RDWR)
os.unlink('file')
os.write(fd, b'still'); os.ftruncate(fd, 3); os.fchmod(fd, 0o600); os.utime(fd, (1, 1))
assert os.pread(fd, 9, 0) == b'sti' and os.fstat(fd).st_mtime == 1
again = os.open(f'/proc/self/fd/{fd}', os.O_RDONLY)
assert os.read(again, 9) == b'sti'`);
    expect(complaint).toBe('');
  });

  it('setxattr(2): flags, sizes and namespaces', () => {
    const complaint = run(`
write('tagged'); CREATE, REPLACE = os.XATTR_CREATE, os.XATTR_REPLACE
os.setxattr('tagged', 'user.large', b'x' * 65536)
fails(errno.E2BIG, lambda: os.setxattr('tagged', 'user.large', b'x' * 65537))
assert os.getxattr('tagged', 'user.large') == b'x' * 65536
longest = 'user.' + 'n' * 250
os.setxattr('tagged', longest, b'')
assert os.getxattr('tagged', longest) == b''
fails(errno.ERANGE, lambda: os.setxattr('tagged', longest + 'n', b''))
fails(errno.EEXIST, lambda: os.setxattr('tagged', 'user.large', b'', CREATE))
fails(errno.ENODATA, lambda: os.setxattr('tagged', 'user.none', b'', REPLACE))
os.setxattr('tagged', 'user.large', b'small', REPLACE)
fails(errno.ENODATA, lambda: os.removexattr('tagged', 'user.none'))
fails(errno.EOPNOTSUPP, lambda: os.setxattr('tagged', 'nonsense', b''))
fails(errno.EINVAL, lambda: os.setxattr('tagged', 'user.', b''))
room = ctypes.create_string_buffer(3)
fails(errno.ERANGE, lambda: called(libc.getxattr(b'tagged', b'user.large', room, 3)))
fails(errno.ERANGE, lambda: called(libc.listxattr(b'tagged', room, 3)))
assert called(libc.getxattr(b'tagged', b'user.large', None, 0)) == 5
assert sorted(os.listxattr('tagged')) == sorted(['user.large', longest])
for i in range(254): os.setxattr('tagged', f'user.{i}', b'v')
fails(errno.ENOSPC, lambda: os.setxattr('tagged', 'user.one more', b'v'))
assert len(os.listxattr('tagged')) == 256
os.symlink('tagged', 'pointing'); os.mkfifo('special')
fails(errno.EPERM, lambda: os.setxattr('pointing', 'user.a', b'', follow_symlinks=False))
fails(errno.EPERM, lambda: os.setxattr('special', 'user.a', b''))`);
    expect(complaint).toBe('');
  });

  it.skipIf(!isRoot)('setxattr(2): trusted attributes are for root, of symlinks too', () => {
    const complaint = run(`
write('trusting'); os.chmod('trusting', 0o666); os.symlink('x', 'trusted link')
os.setxattr('trusting', 'trusted.t', b'secret'); os.setxattr('trusting', 'user.u', b'open')
os.setxattr('trusted link', 'trusted.t', b'1', follow_symlinks=False)
assert sorted(os.listxattr('trusting')) == ['trusted.t', 'user.u']
fd = os.open('trusting', os.O_RDONLY)
child = os.fork()
if child == 0:
    os.setresuid(65534, 65534, 65534)
    assert os.listxattr(fd) == ['user.u'], os.listxattr(fd)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0`);
    expect(complaint).toBe('');
  });

  it('fallocate(2), lseek(2): reservations, zeros and holes, in files beyond 2^40 bytes too', () => {
    const complaint = run(`
KEEP, PUNCH, COLLAPSE, ZERO = 1, 2, 8, 16
fd = os.open('sparse', os.O_CREAT | os.O_RDWR)
fails(errno.ENXIO, lambda: os.lseek(fd, 0, os.SEEK_DATA))
fallocate(fd, KEEP, 0, 100_000)
assert os.fstat(fd).st_size == 0
fallocate(fd, 0, 0, 100_000)
assert os.fstat(fd).st_size == 100_000 and os.pread(fd, 100_000, 0) == bytes(100_000)
os.pwrite(fd, b'x' * 100_000, 0)
fallocate(fd, KEEP | PUNCH, 4096, 8192)
assert os.pread(fd, 16384, 0) == b'x' * 4096 + bytes(8192) + b'x' * 4096
assert os.lseek(fd, 0, os.SEEK_HOLE) == 4096 and os.lseek(fd, 5000, os.SEEK_DATA) == 12288
fallocate(fd, ZERO, 90_000, 20_000)
assert os.fstat(fd).st_size == 110_000 and os.pread(fd, 20_000, 90_000) == bytes(20_000)
fallocate(fd, KEEP | PUNCH, 100_000, 1_000_000)
assert os.fstat(fd).st_size == 110_000
fails(errno.EOPNOTSUPP, lambda: fallocate(fd, COLLAPSE, 0, 4096))
fails(errno.EOPNOTSUPP, lambda: fallocate(fd, PUNCH, 0, 4096))
fails(errno.EINVAL, lambda: fallocate(fd, 0, 0, 0))
fails(errno.EINVAL, lambda: fallocate(fd, 0, -1, 10))
fails(errno.EBADF, lambda: fallocate(os.open('sparse', os.O_RDONLY), 0, 0, 10))
far = 2**40 + 12_345
os.pwrite(fd, b'far away', far)
assert os.fstat(fd).st_size == far + 8 and os.pread(fd, 20, far - 4) == bytes(4) + b'far away'
assert far - os.lseek(fd, 200_000, os.SEEK_DATA) < 65_536 and os.lseek(fd, far, os.SEEK_HOLE) == far + 8
fails(errno.ENXIO, lambda: os.lseek(fd, far + 8, os.SEEK_HOLE))
fails(errno.ENXIO, lambda: os.lseek(fd, -1, os.SEEK_DATA))
os.ftruncate(fd, 2**41)
assert os.lseek(fd, 0, os.SEEK_END) == 2**41
fails(errno.EFBIG, lambda: os.ftruncate(fd, 2**62))
fails(errno.EFBIG, lambda: os.pwrite(fd, b'x', 2**62))
os.ftruncate(fd, 5)
assert os.pread(fd, 9, 0) == b'xxxxx'`);
    expect(complaint).toBe('');
  });

  it('lseek(2), stat(2): know the holes of a file of which nothing is here', async () => {
    const content = Buffer.concat([Buffer.alloc(128 * 1024, 'x'), Buffer.alloc(8 * 1024 * 1024), Buffer.from('end')]);
    await drive.remoteContent('far and sparse', content);
    const before = (await drive.counts()).hydratedBytes;
    const complaint = run(`
end = 128 * 1024 + 8 * 2**20
assert os.stat('far and sparse').st_blocks * 512 < 256 * 1024, os.stat('far and sparse').st_blocks
fd = os.open('far and sparse', os.O_RDONLY)
assert os.lseek(fd, 0, os.SEEK_HOLE) == 128 * 1024
assert os.lseek(fd, 128 * 1024, os.SEEK_DATA) == end
assert os.lseek(fd, end, os.SEEK_HOLE) == end + 3`);
    expect(complaint).toBe('');
    expect((await drive.counts()).hydratedBytes).toBe(before);
  });

  it('stat(2): st_blocks counts data, and no holes', () => {
    const complaint = run(`
MIB = 2**20
def allocated(name): return os.stat(name).st_blocks * 512
write('dense', os.urandom(MIB))
assert allocated('dense') == MIB, allocated('dense')
fd = os.open('dense', os.O_RDWR)
for i in range(300): os.pwrite(fd, os.urandom(4096), 0)
assert allocated('dense') == MIB, allocated('dense')
os.truncate('dense', 2**40)
assert MIB <= allocated('dense') <= MIB + 65536, allocated('dense')
os.close(fd)
with open('sparse too', 'wb') as f:
    f.seek(2**40); f.write(b'end')
assert 0 < allocated('sparse too') <= 65536, allocated('sparse too')
fd = os.open('dense', os.O_RDWR)
fallocate(fd, 3, 0, MIB // 2)
assert MIB // 2 <= allocated('dense') <= MIB // 2 + 65536, allocated('dense')
write('small', b'x')
assert os.stat('small').st_blocks > 0 and os.stat('.').st_size >= 0
os.unlink('dense'); os.unlink('sparse too')`);
    expect(complaint).toBe('');
  });

  it('open(2), fsync(2), sync(2): O_DIRECT, O_SYNC, O_APPEND and all ways to the disk', () => {
    const complaint = run(`
page = mmap.mmap(-1, 8192); page[:] = b'd' * 8192
direct = os.open('direct', os.O_CREAT | os.O_RDWR | os.O_DIRECT)
assert os.pwrite(direct, page, 0) == 8192 and os.preadv(direct, [page], 4096) == 4096
buffered = os.open('direct', os.O_RDWR)
os.pwrite(buffered, b'BUFFERED', 100)
assert os.preadv(direct, [page], 0) == 8192 and page[100:108] == b'BUFFERED'
page[0:4] = b'disk'; os.pwrite(direct, page, 0)
assert os.pread(buffered, 4, 0) == b'disk'
mapped = mmap.mmap(buffered, 8192)
mapped[200:203] = b'map'; mapped.flush()
assert os.preadv(direct, [page], 0) == 8192 and page[200:203] == b'map'
for flags in (os.O_SYNC, os.O_DSYNC):
    fd = os.open('synced', os.O_CREAT | os.O_RDWR | flags)
    assert os.write(fd, b'now') == 3
folder = os.open('.', os.O_RDONLY)
os.fsync(folder); os.fsync(buffered); os.fdatasync(buffered); called(libc.syncfs(buffered)); os.sync()
called(libc.sync_file_range(buffered, L(0), L(100), 7))
one, two = (os.open('log', os.O_CREAT | os.O_WRONLY | os.O_APPEND) for _ in range(2))
for i in range(100): os.write(one if i % 2 else two, b'%03d\\n' % i)
assert open('log').read() == ''.join('%03d\\n' % i for i in range(100))
assert os.pwrite(one, b'x', 0) == 1 and open('log').read()[-1] == 'x'`);
    expect(complaint).toBe('');
  });

  it('path_resolution(7): names of 255 bytes, and paths of PATH_MAX', () => {
    const complaint = run(`
for name in ('n' * 255, 'ü' * 127 + 'x', '語' * 85, '😀' * 63 + 'abc', ' ', '...', '-', 'new\\nline', '\\\\', '"'):
    write(name, name.encode())
    assert open(name).read() == name and name in os.listdir('.'), name
    os.unlink(name)
for name in ('n' * 256, 'ü' * 128):
    fails(errno.ENAMETOOLONG, lambda: write(name))
    fails(errno.ENAMETOOLONG, lambda: os.stat(name))
os.makedirs('deep'); os.chdir('deep')
for i in range(40):
    os.mkdir('d' * 200); os.chdir('d' * 200)
write('bottom', b'here')
os.chdir(sys.argv[1])
path = 'deep' + ('/' + 'd' * 200) * 20
path += '/.' * ((4095 - len(path)) // 2)
assert len(path) in (4094, 4095) and stat.S_ISDIR(os.stat(path).st_mode)
fails(errno.ENAMETOOLONG, lambda: os.stat(path + '/.'))
os.symlink('x' * 4095, 'long link')
assert len(os.readlink('long link')) == 4095
fails(errno.ENAMETOOLONG, lambda: os.symlink('x' * 4096, 'too long'))`);
    expect(complaint).toBe('');
    fs.rmSync(drive.path('deep'), { recursive: true });
  });
});
