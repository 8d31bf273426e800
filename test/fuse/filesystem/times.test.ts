import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { python, pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);

/** Which of atime, mtime and ctime a call moves, as the letters a, m and c. */
type Moved = '' | 'a' | 'c' | 'ac' | 'mc' | 'amc';

function readWithoutTrace(path: string): void {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOATIME | fs.constants.O_DIRECT);
  fs.readSync(fd, Buffer.alloc(1), 0, 1, 0);
  fs.closeSync(fd);
}

describe.each(direct)('times on a drive mounted as %s', (mounter) => {
  let drive: MountedDrive;
  const at = (...names: string[]): string => drive.path(...names);

  beforeAll(async () => {
    drive = await MountedDrive.start(mounter);
  });
  afterAll(async () => {
    await drive[Symbol.asyncDispose]();
  });

  async function movedBy(path: string, call: () => unknown): Promise<string> {
    const before = fs.lstatSync(path, { bigint: true });
    // Longer than the kernel's clock tick, so that a time which moves differs.
    await sleep(10);
    call();
    const after = fs.lstatSync(path, { bigint: true });
    const letters = { a: 'atimeNs', m: 'mtimeNs', c: 'ctimeNs' } as const;
    return Object.entries(letters)
      .filter(([, key]) => after[key] !== before[key])
      .map(([letter]) => letter)
      .join('');
  }

  it('of a file move as the man pages say: inode(7), utimensat(2), chmod(2), truncate(2), link(2)', async () => {
    const path = at('file');
    fs.writeFileSync(path, 'abc');
    const fd = fs.openSync(path, 'r+');
    const table: readonly (readonly [string, Moved, () => unknown])[] = [
      ['reading it with O_NOATIME', '', () => readWithoutTrace(path)],
      ['reading it', 'a', () => fs.readSync(fd, Buffer.alloc(1), 0, 1, 0)],
      ['reading it again', '', () => fs.readFileSync(path)],
      ['chmod', 'c', () => fs.chmodSync(path, 0o640)],
      ['chmod to the mode it has', 'c', () => fs.chmodSync(path, 0o640)],
      ['setting both times', 'amc', () => fs.utimesSync(path, 5, 5)],
      ['setting the atime', 'ac', () => fs.utimesSync(path, 6, 5)],
      ['truncating it to the size it has', 'mc', () => fs.truncateSync(path, 3)],
      ['truncating it', 'mc', () => fs.ftruncateSync(fd, 5)],
      ['emptying it by open', 'mc', () => fs.closeSync(fs.openSync(path, 'w'))],
      ['emptying it again', 'mc', () => fs.closeSync(fs.openSync(path, 'w'))],
      ['writing', 'mc', () => fs.writeSync(fd, 'abc', 0)],
      ['writing nothing', '', () => fs.writeSync(fd, Buffer.alloc(0), 0, 0, 0)],
      ['another name', 'c', () => fs.linkSync(path, at('second'))],
      ['losing a name', 'c', () => fs.unlinkSync(at('second'))],
    ];
    for (const [what, moved, call] of table) expect([what, await movedBy(path, call)]).toEqual([what, moved]);
    const before = fs.statSync(path, { bigint: true }).ctimeNs;
    await sleep(10);
    fs.renameSync(path, at('third'));
    expect(fs.statSync(at('third'), { bigint: true }).ctimeNs).toBeGreaterThan(before);
    fs.closeSync(fd);
  });

  it('of a folder move with its names, not with what its files hold', async () => {
    const path = at('folder');
    fs.mkdirSync(path);
    const table: readonly (readonly [string, Moved, () => unknown])[] = [
      ['listing it', 'a', () => fs.readdirSync(path)],
      ['making a file', 'mc', () => fs.writeFileSync(at('folder/a'), '')],
      ['writing to the file', '', () => fs.writeFileSync(at('folder/a'), 'content')],
      ['changing its mode', '', () => fs.chmodSync(at('folder/a'), 0o600)],
      ['making a folder', 'mc', () => fs.mkdirSync(at('folder/b'))],
      ['making one that is there', '', () => expect(() => fs.mkdirSync(at('folder/b'))).toThrow('EEXIST')],
      ['removing a folder', 'mc', () => fs.rmdirSync(at('folder/b'))],
      ['a hard link', 'mc', () => fs.linkSync(at('folder/a'), at('folder/c'))],
      ['a symlink', 'mc', () => fs.symlinkSync('a', at('folder/d'))],
      ['renaming within', 'mc', () => fs.renameSync(at('folder/d'), at('folder/e'))],
      ['renaming one of two names of a file to the other', '', () => fs.renameSync(at('folder/a'), at('folder/c'))],
      ['moving out', 'mc', () => fs.renameSync(at('folder/e'), at('out'))],
      ['moving in', 'mc', () => fs.renameSync(at('out'), at('folder/e'))],
      ['removing a file', 'mc', () => fs.unlinkSync(at('folder/c'))],
    ];
    for (const [what, moved, call] of table) expect([what, await movedBy(path, call)]).toEqual([what, moved]);
  });

  it('of a symlink move when it is read', async () => {
    fs.symlinkSync('somewhere', at('link'));
    expect(await movedBy(at('link'), () => fs.readlinkSync(at('link')))).toBe('a');
  });

  it.skipIf(!pythonHere)(
    'beyond what can be kept become the nearest that can, and lie in the past and the future',
    () => {
      fs.writeFileSync(at('stamped'), '');
      const complaint = python(
        `import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
class Time(ctypes.Structure): _fields_ = [('s', ctypes.c_int64), ('ns', ctypes.c_int64)]
def stamp(seconds, ns):
    times = (Time * 2)(Time(seconds, ns), Time(seconds, ns))
    assert libc.utimensat(-100, sys.argv[1].encode(), times, 0) == 0, ctypes.get_errno()
    s = os.stat(sys.argv[1])
    assert s.st_atime_ns == s.st_mtime_ns
    return s.st_mtime_ns
for seconds in (0, -1, 2**31 - 1, 2**31, -2**31, 2**32 + 1, 2**33):
    assert stamp(seconds, 999_999_999) == seconds * 10**9 + 999_999_999, seconds
assert stamp(2**62, 7) == 2**63 - 1
assert stamp(-2**40, 7) == -2**63 + 1
assert stamp(1, 1) == 1_000_000_001`,
        [at('stamped')],
      );
      expect(complaint).toBe('');
    },
  );

  it.skipIf(!pythonHere)('move with a mapping that is written back, and with fallocate(2) of any mode', () => {
    fs.writeFileSync(at('ranges'), Buffer.alloc(20_000, 'x'));
    const complaint = python(
      `import ctypes, mmap, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(sys.argv[1], os.O_RDWR)
def moves(what, call):
    before = os.fstat(fd); time.sleep(0.01); call(); after = os.fstat(fd)
    assert after.st_mtime_ns > before.st_mtime_ns and after.st_ctime_ns > before.st_ctime_ns, what
def fallocate(mode, offset, length):
    assert libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) == 0, ctypes.get_errno()
KEEP, PUNCH, ZERO = 1, 2, 16
moves('within', lambda: fallocate(0, 0, 4096))
moves('beyond, size kept', lambda: fallocate(KEEP, 50000, 4096))
moves('beyond', lambda: fallocate(0, 20000, 4096))
moves('hole', lambda: fallocate(KEEP | PUNCH, 4096, 4096))
moves('zeros', lambda: fallocate(ZERO, 8192, 4096))
mapping = mmap.mmap(fd, 4096)
def write():
    mapping[7] = 65
    mapping.flush()
moves('mapping', write)`,
      [at('ranges')],
    );
    expect(complaint).toBe('');
  });
});
