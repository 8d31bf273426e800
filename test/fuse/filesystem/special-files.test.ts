import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { python, pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
const isRoot = process.getuid?.() === 0;
if (!pythonHere) console.warn('SKIPPED: special files on a drive: python3 is missing');
if (!isRoot) console.warn('SKIPPED: device nodes on a drive: only root can make them');

describe.skipIf(!pythonHere).each(direct)('special files on a drive mounted as %s', (mounter) => {
  let drive: MountedDrive;
  const run = (program: string): string =>
    python(`import errno, os, socket, stat, sys\nos.chdir(sys.argv[1])\n${program}`, [drive.mountpoint]);

  beforeAll(async () => {
    drive = await MountedDrive.start(mounter);
  });
  afterAll(async () => {
    expect((await drive.counts()).defects).toEqual([]);
    await drive[Symbol.asyncDispose]();
  });

  it('are pipes through which programs talk: fifo(7)', () => {
    const complaint = run(`
os.mkfifo('pipe', 0o600)
if os.fork() == 0:
    with open('pipe', 'w') as f: f.write('through the pipe')
    os._exit(0)
with open('pipe') as f: assert f.read() == 'through the pipe'
os.wait()
s = os.stat('pipe')
assert stat.S_ISFIFO(s.st_mode) and (s.st_size, s.st_nlink) == (0, 1), s
try: os.open('pipe', os.O_WRONLY | os.O_NONBLOCK)
except OSError as e: assert e.errno == errno.ENXIO, e
else: raise AssertionError('opened without a reader')
os.link('pipe', 'second'); os.unlink('pipe')
assert stat.S_ISFIFO(os.stat('second').st_mode)
try: os.truncate('second', 0)
except OSError as e: assert e.errno == errno.EINVAL, e
else: raise AssertionError('cut')`);
    expect(complaint).toBe('');
  });

  it('are sockets by whose name programs find each other: unix(7)', () => {
    const complaint = run(`
server = socket.socket(socket.AF_UNIX)
server.bind('socket'); server.listen()
assert stat.S_ISSOCK(os.stat('socket').st_mode)
client = socket.socket(socket.AF_UNIX)
client.connect('socket'); client.sendall(b'hello')
assert server.accept()[0].recv(5) == b'hello'
try: open('socket')
except OSError as e: assert e.errno == errno.ENXIO, e
else: raise AssertionError('opened')
try: socket.socket(socket.AF_UNIX).bind('socket')
except OSError as e: assert e.errno == errno.EADDRINUSE, e
else: raise AssertionError('bound twice')
os.rename('socket', 'renamed')
again = socket.socket(socket.AF_UNIX)
again.connect('renamed')`);
    expect(complaint).toBe('');
  });

  it.skipIf(!isRoot)('are device nodes that keep their numbers, and that nobody can open: mknod(2)', () => {
    const complaint = run(`
for name, kind, device in (('null', stat.S_IFCHR, (1, 3)), ('disk', stat.S_IFBLK, (259, 1_048_575)), ('large', stat.S_IFCHR, (4095, 7))):
    os.mknod(name, kind | 0o640, os.makedev(*device))
    s = os.stat(name)
    assert stat.S_IFMT(s.st_mode) == kind and s.st_rdev == os.makedev(*device) and s.st_size == 0, s
    try: os.open(name, os.O_RDONLY)
    except OSError as e: assert e.errno == errno.EACCES, e
    else: raise AssertionError('opened')
os.chmod('null', 0o666)
assert stat.S_ISCHR(os.stat('null').st_mode)`);
    expect(complaint).toBe('');
  });

  it('can be made as plain files too, with no more than they say', () => {
    const complaint = run(`
os.mknod('file', stat.S_IFREG | 0o600)
assert open('file').read() == ''
with open('file', 'w') as f: f.write('content')
assert os.stat('file').st_size == 7
try: os.mknod('file', stat.S_IFREG | 0o600)
except OSError as e: assert e.errno == errno.EEXIST, e
else: raise AssertionError('made twice')`);
    expect(complaint).toBe('');
  });
});
