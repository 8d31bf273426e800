import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { driveErrorCodes } from '../../../protocol/errors.ts';
import { errnoOfCode } from '../../../mount/fuse/errno.ts';
import { Mounted, mountersHere } from './mounted.ts';
import { python, pythonHere } from './python.ts';

/** Those whose mounts this very process may look into. */
const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);

describe.each(direct)('a mount made as %s', (mounter) => {
  let mounted: Mounted;
  const at = (...names: string[]): string => mounted.path(...names);

  beforeAll(async () => {
    mounted = await Mounted.start(mounter, { timeouts: 'unlimited' });
  });
  afterAll(async () => {
    await mounted[Symbol.asyncDispose]();
  });

  it('keeps what was written', () => {
    const content = randomBytes(3_000_001);
    fs.writeFileSync(at('data'), content);
    expect(fs.readFileSync(at('data')).equals(content)).toBe(true);
    expect(fs.statSync(at('data')).size).toBe(content.length);
  });

  it('takes writes of 1 MiB in one request', async () => {
    const fd = fs.openSync(at('large'), 'w');
    expect(fs.writeSync(fd, Buffer.alloc(1 << 20, 7))).toBe(1 << 20);
    fs.closeSync(fd);
    expect((await mounted.counts()).largestWriteBytes).toBe(1 << 20);
  });

  it('reads and writes where the filesystem answers with promises', async () => {
    fs.writeFileSync(at('later'), 'x');
    await mounted.tell({ type: 'answerLater', path: 'later' });
    const pieces = Array.from({ length: 16 }, () => randomBytes(300_000));
    const file = await fs.promises.open(at('later'), 'r+');
    await Promise.all(pieces.map((piece, index) => file.write(piece, 0, piece.length, index * piece.length)));
    await file.close();
    await mounted.tell({ type: 'invalidateContent', path: 'later' });
    const whole = fs.readFileSync(at('later'));
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    expect(hash(whole)).toBe(hash(Buffer.concat(pieces)));
  });

  it('appends, truncates and extends', () => {
    fs.writeFileSync(at('log'), 'one');
    fs.appendFileSync(at('log'), 'two');
    expect(fs.readFileSync(at('log'), 'utf8')).toBe('onetwo');
    fs.truncateSync(at('log'), 2);
    expect(fs.readFileSync(at('log'), 'utf8')).toBe('on');
    fs.truncateSync(at('log'), 5);
    expect(fs.readFileSync(at('log'))).toEqual(Buffer.from('on\0\0\0'));
    fs.writeFileSync(at('log'), '');
    expect(fs.statSync(at('log')).size).toBe(0);
  });

  it('makes, renames and removes directories and files', () => {
    fs.mkdirSync(at('a/b/c'), { recursive: true, mode: 0o750 });
    fs.writeFileSync(at('a/b/c/f'), 'f');
    fs.renameSync(at('a/b/c'), at('a/c'));
    expect(fs.readdirSync(at('a'))).toEqual(['b', 'c']);
    fs.writeFileSync(at('a/g'), 'g');
    fs.renameSync(at('a/g'), at('a/c/f'));
    expect(fs.readFileSync(at('a/c/f'), 'utf8')).toBe('g');
    expect(() => fs.rmdirSync(at('a'))).toThrow('ENOTEMPTY');
    fs.rmSync(at('a'), { recursive: true });
    expect(fs.existsSync(at('a'))).toBe(false);
  });

  it('has symlinks, hard links and modes', () => {
    fs.writeFileSync(at('original'), 'content', { mode: 0o640 });
    expect(fs.statSync(at('original')).mode & 0o777).toBe(0o640);
    fs.symlinkSync('original', at('symlink'));
    expect(fs.readlinkSync(at('symlink'))).toBe('original');
    expect(fs.readFileSync(at('symlink'), 'utf8')).toBe('content');
    fs.linkSync(at('original'), at('second'));
    expect(fs.statSync(at('original')).nlink).toBe(2);
    fs.unlinkSync(at('original'));
    expect(fs.readFileSync(at('second'), 'utf8')).toBe('content');
    fs.chmodSync(at('second'), 0o600);
    expect(fs.statSync(at('second')).mode & 0o777).toBe(0o600);
  });

  it('lists 10,000 entries exactly once, with attributes', () => {
    fs.mkdirSync(at('many'));
    const names = Array.from({ length: 10_000 }, (_, index) => `entry ${index} äöü`);
    for (const name of names) fs.writeFileSync(at('many', name), '');
    expect(fs.readdirSync(at('many')).sort()).toEqual([...names].sort());
    expect(fs.readdirSync(at('many'), { withFileTypes: true }).every((entry) => entry.isFile())).toBe(true);
    fs.rmSync(at('many'), { recursive: true });
  }, 60_000);

  it('keeps an unlinked file as long as it is open, and no longer', async () => {
    const before = (await mounted.counts()).inodes;
    const fd = fs.openSync(at('gone'), 'w+');
    fs.writeSync(fd, 'still here');
    fs.unlinkSync(at('gone'));
    const text = Buffer.alloc(10);
    fs.readSync(fd, text, 0, 10, 0);
    expect(text.toString()).toBe('still here');
    expect(fs.readdirSync(mounted.mountpoint).filter((name) => name.startsWith('.fuse_hidden'))).toEqual([]);
    fs.closeSync(fd);
    await mounted.until((counts) => counts.inodes <= before);
  });

  it('takes setuid away from what somebody else writes, and with a change of owner', () => {
    fs.writeFileSync(at('tool'), '#!');
    fs.chmodSync(at('tool'), 0o6755);
    fs.chownSync(at('tool'), process.getuid?.() ?? 0, process.getgid?.() ?? 0);
    expect(fs.statSync(at('tool')).mode & 0o7777).toBe(0o755);
  });

  it('shows the figures of the filesystem', () => {
    const figures = fs.statfsSync(mounted.mountpoint);
    expect(figures).toMatchObject({ bsize: 4096, blocks: 1_000_000, bfree: 600_000, bavail: 500_000 });
  });

  it('answers each drive error with its errno, and lives on after a defect', async () => {
    for (const code of driveErrorCodes) {
      const thrown = errorOf(() => fs.lstatSync(at(`error-${code}`)));
      expect(-(thrown?.errno ?? 0), code).toBe(errnoOfCode(code));
    }
    const before = (await mounted.counts()).defects;
    expect(errorOf(() => fs.lstatSync(at('error-defect')))?.code).toBe('EIO');
    expect((await mounted.counts()).defects).toBe(before + 1);
    expect(fs.existsSync(mounted.mountpoint)).toBe(true);
  });

  it('refuses names that are not UTF-8 or too long, and finds no file in them', () => {
    const invalid = Buffer.concat([Buffer.from(`${mounted.mountpoint}/`), Buffer.from([0xff, 0xfe])]);
    expect(() => fs.writeFileSync(invalid, 'x')).toThrow('EILSEQ');
    expect(() => fs.writeFileSync(at('n'.repeat(256)), 'x')).toThrow('ENAMETOOLONG');
    fs.writeFileSync(at('\ufffd is a letter'), 'x');
    expect(fs.readFileSync(at('\ufffd is a letter'), 'utf8')).toBe('x');
  });

  it('lets Ctrl-C end a call that waits, and tells the handler', async () => {
    const waiting = spawn('stat', [at('held')], { stdio: 'ignore' });
    await mounted.until((counts) => counts.waiting > 0);
    // Others are served meanwhile.
    expect(fs.readFileSync(at('tool'), 'utf8')).toBe('#!');
    waiting.kill('SIGINT');
    const [, signal] = (await once(waiting, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGINT');
    expect((await mounted.until((counts) => counts.waiting === 0)).interrupted).toBe(1);
  });

  it('lets Ctrl-C end a read that waits, and answers the next one', async () => {
    fs.writeFileSync(at('slow'), 'at last');
    await mounted.tell({ type: 'invalidateContent', path: 'slow' });
    await mounted.tell({ type: 'hold', path: 'slow' });
    const hasty = spawn('cat', [at('slow')], { stdio: 'ignore' });
    await mounted.until((counts) => counts.waiting > 0);
    hasty.kill('SIGINT');
    const [, signal] = (await once(hasty, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGINT');
    const patient = spawn('cat', [at('slow')], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    patient.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await mounted.tell({ type: 'letGo' });
    await once(patient, 'close');
    expect(text).toBe('at last');
  });

  describe.skipIf(!pythonHere)('through calls that Node has not', () => {
    it('has extended attributes', () => {
      fs.writeFileSync(at('tagged'), '');
      const result = python(
        `import os, sys, errno
p = sys.argv[1]
def fails(number, call):
    try: call()
    except OSError as e: assert e.errno == number, e
    else: raise AssertionError('did not fail')
os.setxattr(p, 'user.colour', b'blue')
os.setxattr(p, 'user.large', b'x' * 65536)
os.setxattr(p, 'user.empty', b'')
assert os.getxattr(p, 'user.colour') == b'blue'
assert os.getxattr(p, 'user.large') == b'x' * 65536
assert os.getxattr(p, 'user.empty') == b''
assert sorted(os.listxattr(p)) == ['user.colour', 'user.empty', 'user.large'], os.listxattr(p)
fails(errno.EEXIST, lambda: os.setxattr(p, 'user.colour', b'red', os.XATTR_CREATE))
fails(errno.ENODATA, lambda: os.setxattr(p, 'user.none', b'red', os.XATTR_REPLACE))
fails(errno.ENODATA, lambda: os.getxattr(p, 'user.none'))
os.removexattr(p, 'user.colour')
fails(errno.ENODATA, lambda: os.removexattr(p, 'user.colour'))`,
        [at('tagged')],
      );
      expect(result).toBe('');
    });

    it('keeps times to the nanosecond, before 1970 too', () => {
      fs.writeFileSync(at('old'), '');
      const program = 'import os, sys; os.utime(sys.argv[1], ns=(1_000_000_001, -1_500_000_001))';
      expect(python(program, [at('old')])).toBe('');
      const { atimeNs, mtimeNs } = fs.statSync(at('old'), { bigint: true });
      expect([atimeNs, mtimeNs]).toEqual([1_000_000_001n, -1_500_000_001n]);
    });

    it('maps files into memory, shared and written', () => {
      fs.writeFileSync(at('mapped'), Buffer.alloc(1 << 20, 'a'));
      const result = python(
        `import mmap, sys
with open(sys.argv[1], 'r+b') as f:
    with mmap.mmap(f.fileno(), 0) as m:
        assert m[5000:5003] == b'aaa'
        m[5000:5003] = b'xyz'
        m[1048575:1048576] = b'e'
        m.flush()`,
        [at('mapped')],
      );
      expect(result).toBe('');
      const content = fs.readFileSync(at('mapped'));
      expect(content.subarray(4999, 5004).toString()).toBe('axyza');
      expect(content.at(-1)).toBe('e'.charCodeAt(0));
    });

    it('locks, seeks to holes, swaps names and opens files without one', () => {
      fs.writeFileSync(at('left'), 'left');
      fs.writeFileSync(at('right'), 'right');
      const result = python(
        `import ctypes, fcntl, os, sys
d = sys.argv[1]
with open(d + '/left', 'r+') as f:
    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert os.lseek(f.fileno(), 0, os.SEEK_HOLE) == 4
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, NOREPLACE, EXCHANGE = -100, 1, 2
call = lambda flags: libc.renameat2(AT_FDCWD, (d + '/left').encode(), AT_FDCWD, (d + '/right').encode(), flags)
assert call(NOREPLACE) == -1 and ctypes.get_errno() == 17
assert call(EXCHANGE) == 0
assert open(d + '/left').read() == 'right' and open(d + '/right').read() == 'left'
fd = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b'no name')
SYMLINK_FOLLOW = 0x400
assert libc.linkat(AT_FDCWD, f'/proc/self/fd/{fd}'.encode(), AT_FDCWD, (d + '/named').encode(), SYMLINK_FOLLOW) == 0, ctypes.get_errno()
assert open(d + '/named').read() == 'no name'`,
        [mounted.mountpoint],
      );
      expect(result).toBe('');
    });
  });
});

function errorOf(call: () => unknown): NodeJS.ErrnoException | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}
