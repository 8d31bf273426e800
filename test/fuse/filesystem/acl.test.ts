import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { python, pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const canRun = pythonHere && mountersHere().includes('root');
if (!canRun) console.warn('SKIPPED: access control lists on a drive: it takes root, /dev/fuse and python3');

/** Lists as bytes, in the order the kernel wants, and calls as another user. */
const preamble = `
import errno, os, stat, struct, sys
os.chdir(sys.argv[1])
ACCESS, DEFAULT = 'system.posix_acl_access', 'system.posix_acl_default'
TAGS = {'u': 1, 'user': 2, 'g': 4, 'group': 8, 'm': 16, 'o': 32}
def acl(text):
    out = struct.pack('<I', 2)
    for entry in text.split(','):
        tag, permissions, id = (entry.split(':') + [str(0xffffffff)])[:3]
        out += struct.pack('<HHI', TAGS[tag], int(permissions), int(id))
    return out
def as_user(call, uid=65534, groups=()):
    child = os.fork()
    if child == 0:
        os.setgroups(list(groups)); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
        try: call()
        except OSError as e: os._exit(e.errno)
        except BaseException as e: print(repr(e), file=sys.stderr); os._exit(255)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
def make(name, mode=0o600):
    with open(name, 'w') as f: f.write('content')
    os.chmod(name, mode)
def mode(name): return stat.S_IMODE(os.stat(name).st_mode)
def has(name, which):
    try: return os.getxattr(name, which)
    except OSError as e:
        assert e.errno == errno.ENODATA, e
        return None
def reads(name): return lambda: os.close(os.open(name, os.O_RDONLY))
def writes(name): return lambda: os.close(os.open(name, os.O_WRONLY))
`;

describe.skipIf(!canRun)('access control lists on a drive mounted as root', () => {
  let drive: MountedDrive;
  const run = (program: string): string => python(preamble + program, [drive.mountpoint]);

  beforeAll(async () => {
    drive = await MountedDrive.start('root');
    fs.chmodSync(join(drive.mountpoint, '..'), 0o755);
    fs.chmodSync(drive.mountpoint, 0o777);
  });
  afterAll(async () => {
    expect((await drive.counts()).defects).toEqual([]);
    await drive[Symbol.asyncDispose]();
  });

  it('let named users and groups in, or keep them out, as far as the mask goes', () => {
    const complaint = run(`
make('guarded')
assert as_user(reads('guarded')) == errno.EACCES
os.setxattr('guarded', ACCESS, acl('u:6,user:4:65534,g:0,group:6:4321,m:6,o:0'))
assert as_user(reads('guarded')) == 0 and as_user(writes('guarded')) == errno.EACCES
assert as_user(writes('guarded'), 1000, (4321,)) == 0 and as_user(writes('guarded'), 1000) == errno.EACCES
assert mode('guarded') == 0o660, oct(mode('guarded'))
assert ACCESS in os.listxattr('guarded')
os.setxattr('guarded', ACCESS, acl('u:6,user:0:65534,g:4,m:4,o:4'))
assert as_user(reads('guarded')) == errno.EACCES and as_user(reads('guarded'), 1000) == 0`);
    expect(complaint).toBe('');
  });

  it('move the mode, and are moved by chmod: the bits of the group are the mask', () => {
    const complaint = run(`
make('masked')
os.setxattr('masked', ACCESS, acl('u:7,user:7:65534,g:5,m:7,o:1'))
assert mode('masked') == 0o771, oct(mode('masked'))
os.chmod('masked', 0o640)
assert has('masked', ACCESS) == acl('u:6,user:7:65534,g:5,m:4,o:0'), has('masked', ACCESS)
assert as_user(reads('masked')) == 0 and as_user(writes('masked')) == errno.EACCES
os.chmod('masked', 0o4640)
assert mode('masked') == 0o4640
os.setxattr('masked', ACCESS, acl('u:6,g:4,o:4'))
assert mode('masked') == 0o4644 and has('masked', ACCESS) is None and os.listxattr('masked') == []
os.setxattr('masked', ACCESS, acl('u:6,user:7:65534,g:5,m:4,o:0'))
os.removexattr('masked', ACCESS)
assert as_user(reads('masked')) == errno.EACCES and has('masked', ACCESS) is None`);
    expect(complaint).toBe('');
  });

  it('of a folder are inherited in place of the umask, by folders with their own default list', () => {
    const complaint = run(`
os.umask(0o077)
os.mkdir('family', 0o755)
default = acl('u:7,user:6:65534,g:5,m:7,o:0')
os.setxattr('family', DEFAULT, default)
assert mode('family') == 0o700, oct(mode('family'))
os.close(os.open('family/file', os.O_CREAT | os.O_WRONLY, 0o666))
assert mode('family/file') == 0o660, oct(mode('family/file'))
assert has('family/file', ACCESS) == acl('u:6,user:6:65534,g:5,m:6,o:0')
assert has('family/file', DEFAULT) is None
os.mkdir('family/folder', 0o777)
assert has('family/folder', DEFAULT) == default and has('family/folder', ACCESS) == default
assert mode('family/folder') == 0o770
os.mkfifo('family/pipe', 0o640)
assert has('family/pipe', ACCESS) == acl('u:6,user:6:65534,g:5,m:4,o:0')
os.symlink('file', 'family/link')
os.close(os.open('family/folder/deep', os.O_CREAT | os.O_WRONLY, 0o600))
assert mode('family/folder/deep') == 0o600
fd = os.open('family', os.O_TMPFILE | os.O_RDWR, 0o666)
assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o660
os.mkdir('minimal'); os.setxattr('minimal', DEFAULT, acl('u:6,g:4,o:4'))
os.close(os.open('minimal/file', os.O_CREAT | os.O_WRONLY, 0o666))
assert mode('minimal/file') == 0o644 and has('minimal/file', ACCESS) is None
os.removexattr('family', DEFAULT)
os.close(os.open('family/later', os.O_CREAT | os.O_WRONLY, 0o666))
assert mode('family/later') == 0o600`);
    expect(complaint).toBe('');
  });

  it('are refused where they are malformed, set by strangers or on what has none', () => {
    const complaint = run(`
make('plain', 0o666)
def fails(number, call):
    try: call()
    except OSError as e: assert e.errno == number, e
    else: raise AssertionError('did not fail')
fails(errno.EINVAL, lambda: os.setxattr('plain', ACCESS, acl('u:6,g:4,o:4')[:-3]))
fails(errno.EINVAL, lambda: os.setxattr('plain', ACCESS, acl('u:6,user:4:1,g:4,o:4')))
fails(errno.EACCES, lambda: os.setxattr('plain', DEFAULT, acl('u:6,g:4,o:4')))
assert as_user(lambda: os.setxattr('plain', ACCESS, acl('u:6,g:4,o:4'))) == errno.EPERM
fails(errno.EOPNOTSUPP, lambda: os.setxattr('plain', 'system.other', b''))
make('group', 0o2755); os.chown('group', 65534, 5)
os.chmod('group', 0o2755)
assert as_user(lambda: os.setxattr('group', ACCESS, acl('u:7,user:4:1,g:5,m:5,o:5'))) == 0
assert mode('group') == 0o755, oct(mode('group'))`);
    expect(complaint).toBe('');
  });

  it('are there after a restart', async () => {
    expect(run(`make('kept'); os.setxattr('kept', ACCESS, acl('u:6,user:4:65534,g:0,m:4,o:0'))`)).toBe('');
    fs.fsyncSync(fs.openSync(drive.path('kept'), 'r'));
    await drive.killAndRestart();
    fs.chmodSync(drive.mountpoint, 0o777);
    expect(run(`assert as_user(reads('kept')) == 0 and as_user(reads('kept'), 1000) == errno.EACCES`)).toBe('');
  });
});
