import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { python, pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

/** Those whose mounts this very process may look into. */
const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
const isRoot = process.getuid?.() === 0;
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.each(direct)('a drive mounted as %s', (mounter) => {
  let drive: MountedDrive;
  const at = (...names: string[]): string => drive.path(...names);

  beforeAll(async () => {
    drive = await MountedDrive.start(mounter);
  });
  afterEach(async () => {
    expect((await drive.counts()).defects).toEqual([]);
  });
  afterAll(async () => {
    await drive[Symbol.asyncDispose]();
  });

  describe('open(2)', () => {
    it('O_CREAT|O_EXCL refuses a taken name, O_TRUNC empties, O_APPEND writes at the end', () => {
      fs.writeFileSync(at('opened'), 'hello');
      expect(() => fs.openSync(at('opened'), 'wx')).toThrow('EEXIST');
      const append = fs.openSync(at('opened'), 'a');
      fs.truncateSync(at('opened'), 2);
      fs.writeSync(append, '!');
      fs.closeSync(append);
      expect(fs.readFileSync(at('opened'), 'utf8')).toBe('he!');
      fs.closeSync(fs.openSync(at('opened'), 'w'));
      expect(fs.statSync(at('opened')).size).toBe(0);
    });

    it('says what is wrong with a path', () => {
      fs.writeFileSync(at('plain'), '');
      fs.mkdirSync(at('folder'));
      expect(() => fs.openSync(at('missing'), 'r')).toThrow('ENOENT');
      expect(() => fs.openSync(at('plain', 'below'), 'w')).toThrow('ENOTDIR');
      expect(() => fs.openSync(at('folder'), 'w')).toThrow('EISDIR');
      expect(() => fs.openSync(at('n'.repeat(256)), 'w')).toThrow('ENAMETOOLONG');
      fs.symlinkSync('loop', at('loop'));
      expect(() => fs.openSync(at('loop'), 'r')).toThrow('ELOOP');
    });
  });

  describe('write(2), truncate(2), lseek(2)', () => {
    it('keeps bytes wherever they are written, and zeros between', () => {
      const fd = fs.openSync(at('sparse'), 'w+');
      fs.writeSync(fd, 'end', 5_000_000);
      fs.writeSync(fd, 'start', 0);
      fs.closeSync(fd);
      const bytes = fs.readFileSync(at('sparse'));
      expect(bytes.length).toBe(5_000_003);
      expect(bytes.subarray(0, 5).toString() + bytes.subarray(-3).toString()).toBe('startend');
      expect(bytes.subarray(5, -3).every((byte) => byte === 0)).toBe(true);
    });

    it('truncates down and up with zeros', () => {
      fs.writeFileSync(at('cut'), Buffer.alloc(200_000, 'x'));
      fs.truncateSync(at('cut'), 100_000);
      fs.truncateSync(at('cut'), 150_000);
      const bytes = fs.readFileSync(at('cut'));
      expect(sha(bytes)).toBe(sha(Buffer.concat([Buffer.alloc(100_000, 'x'), Buffer.alloc(50_000)])));
    });

    it('holds 64 MiB of random bytes', () => {
      const hash = createHash('sha256');
      const fd = fs.openSync(at('big'), 'w');
      for (let i = 0; i < 64; i += 1) {
        const piece = randomBytes(1 << 20);
        hash.update(piece);
        fs.writeSync(fd, piece);
      }
      fs.fsyncSync(fd);
      fs.closeSync(fd);
      expect(sha(fs.readFileSync(at('big')))).toBe(hash.digest('hex'));
      fs.unlinkSync(at('big'));
    });
  });

  describe('names', () => {
    it('renames over files and empty directories, and refuses the rest of the matrix', () => {
      fs.mkdirSync(at('m/full/x'), { recursive: true });
      fs.mkdirSync(at('m/empty'));
      fs.mkdirSync(at('m/dir'));
      fs.writeFileSync(at('m/a'), 'a');
      fs.writeFileSync(at('m/b'), 'b');
      fs.renameSync(at('m/a'), at('m/b'));
      expect(fs.readFileSync(at('m/b'), 'utf8')).toBe('a');
      expect(() => fs.renameSync(at('m/b'), at('m/dir'))).toThrow('EISDIR');
      expect(() => fs.renameSync(at('m/dir'), at('m/b'))).toThrow('ENOTDIR');
      expect(() => fs.renameSync(at('m/dir'), at('m/full'))).toThrow('ENOTEMPTY');
      expect(() => fs.renameSync(at('m/full'), at('m/full/x/y'))).toThrow('EINVAL');
      expect(() => fs.renameSync(at('m/none'), at('m/b'))).toThrow('ENOENT');
      fs.renameSync(at('m/full'), at('m/empty'));
      expect(fs.readdirSync(at('m')).sort()).toEqual(['b', 'dir', 'empty']);
      expect(fs.readdirSync(at('m/empty'))).toEqual(['x']);
    });

    it('counts hard links, and lets an unlinked open file live', () => {
      fs.writeFileSync(at('one'), 'both');
      fs.linkSync(at('one'), at('two'));
      expect([fs.statSync(at('one')).nlink, fs.statSync(at('two')).ino]).toEqual([2, fs.statSync(at('one')).ino]);
      expect(() => fs.linkSync(at('one'), at('two'))).toThrow('EEXIST');
      fs.unlinkSync(at('one'));
      const fd = fs.openSync(at('two'), 'r+');
      fs.unlinkSync(at('two'));
      expect(fs.fstatSync(fd).nlink).toBe(0);
      fs.writeSync(fd, 'BOTH', 0);
      const bytes = Buffer.alloc(4);
      fs.readSync(fd, bytes, 0, 4, 0);
      expect(bytes.toString()).toBe('BOTH');
      fs.closeSync(fd);
    });

    it('keeps symlinks, fifos and their targets', () => {
      fs.symlinkSync('über/ß', at('symlink'));
      expect(fs.readlinkSync(at('symlink'))).toBe('über/ß');
      expect(fs.lstatSync(at('symlink')).size).toBe(Buffer.byteLength('über/ß'));
      expect(() => fs.readlinkSync(at('plain'))).toThrow('EINVAL');
    });

    it('counts subdirectories, and moves them', () => {
      fs.mkdirSync(at('d/e/f'), { recursive: true });
      expect(fs.statSync(at('d')).nlink).toBe(3);
      fs.renameSync(at('d/e/f'), at('d/f'));
      expect([fs.statSync(at('d')).nlink, fs.statSync(at('d/e')).nlink]).toEqual([4, 2]);
      expect(() => fs.rmdirSync(at('d'))).toThrow('ENOTEMPTY');
      expect(() => fs.unlinkSync(at('d'))).toThrow(/EISDIR|EPERM/);
      expect(() => fs.rmdirSync(at('plain'))).toThrow('ENOTDIR');
    });

    it('lists 10,000 entries while others are deleted: what stays is seen exactly once', async () => {
      fs.mkdirSync(at('many'));
      for (let i = 0; i < 10_000; i += 1) fs.closeSync(fs.openSync(at('many', `entry-${i}`), 'w'));
      const directory = await fs.promises.opendir(at('many'), { bufferSize: 64 });
      const seen: string[] = [];
      for await (const entry of directory) {
        seen.push(entry.name);
        if (seen.length === 100) {
          for (let i = 1; i < 10_000; i += 2) fs.unlinkSync(at('many', `entry-${i}`));
        }
      }
      const kept = seen.filter((name) => Number(name.slice(6)) % 2 === 0);
      expect([kept.length, new Set(seen).size]).toEqual([5_000, seen.length]);
      expect(fs.readdirSync(at('many')).length).toBe(5_000);
      fs.rmSync(at('many'), { recursive: true });
    }, 120_000);
  });

  describe('attributes', () => {
    it('keeps modes and times to the nanosecond', () => {
      fs.writeFileSync(at('timed'), '');
      fs.chmodSync(at('timed'), 0o4751);
      expect(fs.statSync(at('timed')).mode & 0o7777).toBe(0o4751);
      fs.utimesSync(at('timed'), 1, 1_700_000_000.25);
      const { mtimeNs, atimeNs } = fs.statSync(at('timed'), { bigint: true });
      expect([mtimeNs, atimeNs]).toEqual([1_700_000_000_250_000_000n, 1_000_000_000n]);
    });

    it('moves mtime with a write and only ctime with chmod', () => {
      fs.writeFileSync(at('moved'), '');
      const before = fs.statSync(at('moved'), { bigint: true });
      fs.chmodSync(at('moved'), 0o600);
      const changed = fs.statSync(at('moved'), { bigint: true });
      expect(changed.mtimeNs).toBe(before.mtimeNs);
      expect(changed.ctimeNs).toBeGreaterThan(before.ctimeNs);
      fs.appendFileSync(at('moved'), 'x');
      expect(fs.statSync(at('moved'), { bigint: true }).mtimeNs).toBeGreaterThan(before.mtimeNs);
    });

    it.skipIf(!isRoot)('lets a setgid directory pass its group on, and chown take setuid away', () => {
      fs.mkdirSync(at('shared'));
      fs.chownSync(at('shared'), 0, 1234);
      fs.chmodSync(at('shared'), 0o2775);
      fs.mkdirSync(at('shared/below'));
      fs.writeFileSync(at('shared/file'), '');
      expect([fs.statSync(at('shared/below')).gid, fs.statSync(at('shared/file')).gid]).toEqual([1234, 1234]);
      expect(fs.statSync(at('shared/below')).mode & 0o2000).toBe(0o2000);
      fs.chmodSync(at('shared/file'), 0o6755);
      fs.chownSync(at('shared/file'), 7, 7);
      expect(fs.statSync(at('shared/file')).mode & 0o7777).toBe(0o755);
    });

    it('honours the umask', () => {
      const before = process.umask(0o027);
      fs.writeFileSync(at('masked'), '');
      process.umask(before);
      expect(fs.statSync(at('masked')).mode & 0o777).toBe(0o640);
    });

    it('has figures that df can show', () => {
      const { bsize, blocks, bfree, files } = fs.statfsSync(drive.mountpoint);
      expect(bsize).toBe(4096);
      expect(blocks).toBeGreaterThan(bfree);
      expect(files).toBeGreaterThan(0);
    });
  });

  describe.skipIf(!pythonHere)('calls that Node has not', () => {
    it('maps files, shared with write(2) and private', () => {
      fs.writeFileSync(at('mapped'), Buffer.alloc(1 << 20, 'a'));
      const complaint = python(
        `import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
shared = mmap.mmap(fd, 0)
private = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE)
os.pwrite(fd, b'hey', 100)
assert shared[100:103] == b'hey'
private[200:203] = b'own'
assert os.pread(fd, 3, 200) == b'aaa'
shared[300:303] = b'map'
assert os.pread(fd, 3, 300) == b'map'
shared.flush()`,
        [at('mapped')],
      );
      expect(complaint).toBe('');
      expect(fs.readFileSync(at('mapped')).subarray(300, 303).toString()).toBe('map');
    });

    it('keeps user attributes', () => {
      fs.writeFileSync(at('tagged'), '');
      const complaint = python(
        `import errno, os, sys
p = sys.argv[1]
os.setxattr(p, 'user.colour', b'blue')
assert os.getxattr(p, 'user.colour') == b'blue' and os.listxattr(p) == ['user.colour']
def fails(number, call):
    try: call()
    except OSError as e: assert e.errno == number, e
    else: raise AssertionError('did not fail')
fails(errno.EEXIST, lambda: os.setxattr(p, 'user.colour', b'', os.XATTR_CREATE))
fails(errno.ENODATA, lambda: os.setxattr(p, 'user.none', b'', os.XATTR_REPLACE))
fails(errno.ENODATA, lambda: os.getxattr(p, 'user.none'))
os.removexattr(p, 'user.colour')
assert os.listxattr(p) == []`,
        [at('tagged')],
      );
      expect(complaint).toBe('');
    });

    it('punches holes, finds data, swaps names and opens files without one', () => {
      fs.writeFileSync(at('left'), Buffer.alloc(1 << 20, 'l'));
      fs.writeFileSync(at('right'), 'right');
      const complaint = python(
        `import ctypes, os, sys
d = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(d + '/left', os.O_RDWR)
assert libc.fallocate(fd, 3, ctypes.c_long(65536), ctypes.c_long(131072)) == 0, ctypes.get_errno()
assert os.pread(fd, 4, 65536) == bytes(4) and os.pread(fd, 4, 65532) == b'llll'
assert os.lseek(fd, 0, os.SEEK_HOLE) == 65536, os.lseek(fd, 0, os.SEEK_HOLE)
assert os.lseek(fd, 70000, os.SEEK_DATA) == 196608
assert libc.fallocate(fd, 0, ctypes.c_long(1 << 20), ctypes.c_long(100)) == 0
assert os.fstat(fd).st_size == (1 << 20) + 100
call = lambda flags: libc.renameat2(-100, (d + '/left').encode(), -100, (d + '/right').encode(), flags)
assert call(1) == -1 and ctypes.get_errno() == 17
assert call(2) == 0
assert open(d + '/left').read() == 'right'
fd = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b'no name')
assert libc.linkat(-100, f'/proc/self/fd/{fd}'.encode(), -100, (d + '/named').encode(), 0x400) == 0, ctypes.get_errno()
assert open(d + '/named').read() == 'no name'
os.mkfifo(d + '/pipe')
import stat
assert stat.S_ISFIFO(os.stat(d + '/pipe').st_mode)`,
        [drive.mountpoint],
      );
      expect(complaint).toBe('');
    });
  });

  describe('what comes from elsewhere', () => {
    it('appears where the kernel had remembered that there was nothing', async () => {
      expect(fs.existsSync(at('appearing'))).toBe(false);
      await drive.remoteContent('appearing', 'from afar');
      expect(fs.readFileSync(at('appearing'), 'utf8')).toBe('from afar');
      expect(fs.readdirSync(drive.mountpoint)).toContain('appearing');
      await drive.tell({ type: 'remoteRemove', name: 'appearing' });
      expect(fs.existsSync(at('appearing'))).toBe(false);
      expect(fs.readdirSync(drive.mountpoint)).not.toContain('appearing');
    });

    it('is hydrated as it is read, once, and again after eviction', async () => {
      const content = randomBytes(3_000_000);
      await drive.remoteContent('lazy', content);
      const before = await drive.counts();
      const fd = fs.openSync(at('lazy'), 'r');
      fs.closeSync(fd);
      expect((await drive.counts()).hydratedBlocks).toBe(before.hydratedBlocks);
      expect(sha(fs.readFileSync(at('lazy')))).toBe(sha(content));
      expect(sha(fs.readFileSync(at('lazy')))).toBe(sha(content));
      expect((await drive.counts()).hydratedBytes - before.hydratedBytes).toBe(3_000_000);
      expect(fs.statSync(at('lazy')).size).toBe(3_000_000);
      await drive.tell({ type: 'evictAll' });
    });

    it('is seen by new opens at once, while old handles keep what they opened', async () => {
      await drive.remoteContent('edited', 'the first version');
      const fd = fs.openSync(at('edited'), 'r');
      const text = Buffer.alloc(17);
      fs.readSync(fd, text, 0, 5, 0);
      await drive.remoteContent('edited', 'the SECOND version, longer');
      expect(fs.readFileSync(at('edited'), 'utf8')).toBe('the SECOND version, longer');
      fs.readSync(fd, text, 0, 17, 0);
      expect(text.toString()).toBe('the first version');
      expect(fs.fstatSync(fd).size).toBe(17);
      fs.closeSync(fd);
      await drive.remoteContent('edited', 'the third');
      expect(fs.readFileSync(at('edited'), 'utf8')).toBe('the third');
    });

    it('never swallows what is written through an old handle: that becomes a conflicted copy', async () => {
      await drive.remoteContent('report.txt', 'mine and yours');
      const fd = fs.openSync(at('report.txt'), 'r+');
      await drive.remoteContent('report.txt', 'yours');
      fs.writeSync(fd, 'MINE', 0);
      fs.closeSync(fd);
      expect(fs.readFileSync(at('report.txt'), 'utf8')).toBe('yours');
      const copies = fs
        .readdirSync(drive.mountpoint)
        .filter((name) => name.startsWith("report (Ada's conflicted copy"));
      expect(copies.map((name) => fs.readFileSync(at(name), 'utf8'))).toEqual(['MINE and yours']);
    });

    it('can be changed before it is hydrated', async () => {
      const content = randomBytes(1_000_000);
      await drive.remoteContent('patched', content);
      const fd = fs.openSync(at('patched'), 'r+');
      fs.writeSync(fd, 'PATCH', 500_000);
      fs.ftruncateSync(fd, 900_000);
      fs.closeSync(fd);
      content.write('PATCH', 500_000);
      expect(sha(fs.readFileSync(at('patched')))).toBe(sha(content.subarray(0, 900_000)));
    });

    it('cannot be read while the server is away, unless it is here', async () => {
      await drive.remoteContent('here', 'hydrated');
      await drive.remoteContent('there', 'not hydrated');
      fs.readFileSync(at('here'));
      await drive.tell({ type: 'offline', offline: true });
      expect(fs.readFileSync(at('here'), 'utf8')).toBe('hydrated');
      await expect(fs.promises.readFile(at('there'))).rejects.toThrow('EHOSTUNREACH');
      await drive.tell({ type: 'offline', offline: false });
      expect(fs.readFileSync(at('there'), 'utf8')).toBe('not hydrated');
    });
  });

  it('keeps all that was fsynced when the process is killed', async () => {
    const content = randomBytes(2_500_000);
    const fd = fs.openSync(at('precious'), 'w');
    fs.writeSync(fd, content);
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    const again = fs.openSync(at('precious'), 'r+');
    fs.writeSync(again, 'again', 77);
    fs.fsyncSync(again);
    content.write('again', 77);
    await drive.killAndRestart();
    expect(() => fs.writeSync(again, 'too late')).toThrow();
    fs.closeSync(again);
    expect(sha(fs.readFileSync(at('precious')))).toBe(sha(content));
  });
});
