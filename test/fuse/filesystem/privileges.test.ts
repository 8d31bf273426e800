import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { python, pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const canRun = pythonHere && mountersHere().includes('root');
if (!canRun) console.warn('SKIPPED: privileges of several users on a drive: it takes root, /dev/fuse and python3');

/** What the programs below share: calls as another user, and files with the bits that are at stake. */
const preamble = `
import ctypes, errno, mmap, os, stat, sys
os.chdir(sys.argv[1])
os.umask(0)
libc = ctypes.CDLL(None, use_errno=True)
USER = 65534
def as_user(call, uid=USER, groups=()):
    child = os.fork()
    if child == 0:
        os.setgroups(list(groups)); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
        try: call()
        except OSError as e: os._exit(e.errno)
        except BaseException as e: print(repr(e), file=sys.stderr); os._exit(255)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
def make(name, mode, uid=0, gid=0):
    if os.path.exists(name): os.unlink(name)
    with open(name, 'w') as f: f.write('x' * 10000)
    os.chown(name, uid, gid); os.chmod(name, mode)
def mode(name): return stat.S_IMODE(os.lstat(name).st_mode)
def fallocate(name, how, offset, length):
    fd = os.open(name, os.O_RDWR)
    if libc.fallocate(fd, how, ctypes.c_long(offset), ctypes.c_long(length)) != 0: raise OSError(ctypes.get_errno(), 'fallocate')
def write_directly(name):
    page = mmap.mmap(-1, 4096)
    os.pwrite(os.open(name, os.O_RDWR | os.O_DIRECT), page, 0)
make('source', 0o666)
changes = {
    'write': lambda n: os.write(os.open(n, os.O_RDWR), b'y'),
    'append': lambda n: os.write(os.open(n, os.O_WRONLY | os.O_APPEND), b'y'),
    'direct': write_directly,
    'copy': lambda n: os.copy_file_range(os.open('source', os.O_RDONLY), os.open(n, os.O_RDWR), 5),
    'truncate': lambda n: os.truncate(n, 5),
    'truncate to the same size': lambda n: os.truncate(n, 10000),
    'open with O_TRUNC': lambda n: os.open(n, os.O_WRONLY | os.O_TRUNC),
    'fallocate': lambda n: fallocate(n, 0, 0, 20000),
    'punch': lambda n: fallocate(n, 3, 0, 4096),
    'zero': lambda n: fallocate(n, 16, 0, 4096),
}
`;

describe.skipIf(!canRun)('privileges on a drive mounted as root', () => {
  let drive: MountedDrive;
  const run = (program: string): string => python(preamble + program, [drive.mountpoint]);

  beforeAll(async () => {
    drive = await MountedDrive.start('root');
    fs.chmodSync(join(drive.mountpoint, '..'), 0o755);
    fs.chmodSync(drive.mountpoint, 0o777);
  });
  afterAll(async () => {
    await drive[Symbol.asyncDispose]();
  });

  it('of a file go when somebody else changes its content in any way, and stay when root does', () => {
    const complaint = run(`
for what, change in changes.items():
    for before, after in ((0o6777, 0o777), (0o6766, 0o766), (0o2766, 0o766), (0o4711, None)):
        make('tool', before)
        code = as_user(lambda: change('tool'))
        if after is None: assert code == errno.EACCES and mode('tool') == before, (what, code)
        else: assert code == 0 and mode('tool') == after, (what, oct(before), code, oct(mode('tool')))
        make('tool', before)
        assert as_user(lambda: change('tool'), 0) == 0 and mode('tool') == before, ('root', what, oct(mode('tool')))`);
    expect(complaint).toBe('');
  });

  it('of a group whose members may not execute stay with a member that writes', () => {
    const complaint = run(`
make('shared', 0o2766, 0, 4321)
assert as_user(lambda: changes['write']('shared'), groups=(4321, 77)) == 0
assert mode('shared') == 0o2766, oct(mode('shared'))
assert as_user(lambda: changes['write']('shared'), groups=(77,)) == 0
assert mode('shared') == 0o766, oct(mode('shared'))`);
    expect(complaint).toBe('');
  });

  it('go with a change of owner, but not from a folder', () => {
    const complaint = run(`
for call in (lambda: os.chown('owned', 7, 7), lambda: os.chown('owned', 7, -1), lambda: os.chown('owned', -1, 7)):
    make('owned', 0o6775)
    call()
    assert mode('owned') == 0o775, oct(mode('owned'))
make('owned', 0o6775, USER, USER)
assert as_user(lambda: os.chown('owned', -1, USER)) == 0 and mode('owned') == 0o775
assert as_user(lambda: os.chown('owned', 0, -1)) == errno.EPERM
os.mkdir('folder'); os.chmod('folder', 0o6775); os.chown('folder', 7, 7)
assert mode('folder') == 0o6775, oct(mode('folder'))`);
    expect(complaint).toBe('');
  });

  it('cannot be set for a group one is not in, and pass on in setgid folders', () => {
    const complaint = run(`
make('mine', 0o755, USER, 5)
assert as_user(lambda: os.chmod('mine', 0o2755)) == 0 and mode('mine') == 0o755
assert as_user(lambda: os.chmod('mine', 0o2755), groups=(5,)) == 0 and mode('mine') == 0o2755
os.mkdir('of the group'); os.chown('of the group', USER, 5); os.chmod('of the group', 0o2777)
def fill():
    os.close(os.open('of the group/executable', os.O_CREAT | os.O_RDWR, 0o2777))
    os.mkdir('of the group/folder', 0o777)
assert as_user(fill) == 0
made = os.stat('of the group/executable')
assert (stat.S_IMODE(made.st_mode), made.st_gid) == (0o777, 5), made
made = os.stat('of the group/folder')
assert (stat.S_IMODE(made.st_mode), made.st_gid) == (0o2777, 5), made`);
    expect(complaint).toBe('');
  });

  it('of a file to act as it were another user go with a write: file capabilities', () => {
    const complaint = run(`
capability = bytes.fromhex('0100000201') + bytes(15)
for what, change in changes.items():
    make('able', 0o777)
    os.setxattr('able', 'security.capability', capability)
    assert os.getxattr('able', 'security.capability') == capability
    assert as_user(lambda: change('able'), 0) == 0
    assert 'security.capability' not in os.listxattr('able'), what`);
    expect(complaint).toBe('');
  });

  it('decide who removes from a sticky folder, who reads and who enters', () => {
    const complaint = run(`
os.mkdir('sticky'); os.chmod('sticky', 0o1777)
make('sticky/of root', 0o666); make('sticky/of user', 0o600, USER, USER)
assert as_user(lambda: os.unlink('sticky/of root')) == errno.EPERM
assert as_user(lambda: os.rename('sticky/of root', 'sticky/other')) == errno.EPERM
assert as_user(lambda: os.rename('sticky/of user', 'sticky/of root')) == errno.EPERM
assert as_user(lambda: os.unlink('sticky/of user')) == 0
make('secret', 0o600); os.mkdir('closed', 0o700); make('closed/inner', 0o666)
assert as_user(lambda: os.open('secret', os.O_RDONLY)) == errno.EACCES
assert as_user(lambda: os.stat('closed/inner')) == errno.EACCES
assert as_user(lambda: os.chmod('secret', 0o777)) == errno.EPERM
assert as_user(lambda: os.utime('secret', (1, 1))) == errno.EPERM
make('writable', 0o666)
assert as_user(lambda: os.utime('writable')) == 0 and as_user(lambda: os.utime('writable', (1, 1))) == errno.EPERM`);
    expect(complaint).toBe('');
  });
});
