import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { python, pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
if (!pythonHere) console.warn('SKIPPED: copy_file_range on a drive: python3 is missing');

/** Copies a whole file as cp(1) does. */
const copyWhole = `
import os, sys
source = os.open(sys.argv[1], os.O_RDONLY)
target = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
size = os.fstat(source).st_size
done = 0
while done < size:
    copied = os.copy_file_range(source, target, size - done)
    assert copied > 0, done
    done += copied
`;

describe.skipIf(!pythonHere).each(direct)('copy_file_range(2) on a drive mounted as %s', (mounter) => {
  let drive: MountedDrive;
  const at = (name: string): string => drive.path(name);

  beforeAll(async () => {
    drive = await MountedDrive.start(mounter);
  });
  afterAll(async () => {
    expect((await drive.counts()).defects).toEqual([]);
    await drive[Symbol.asyncDispose]();
  });

  it('fetches nothing of a file that is not here, and reads the same from the copy', async () => {
    const content = randomBytes(3_000_000);
    await drive.remoteContent('far', content);
    const before = await drive.counts();
    expect(python(copyWhole, [at('far'), at('copy')])).toBe('');
    expect(fs.statSync(at('copy')).size).toBe(content.length);
    expect((await drive.counts()).hydratedBytes).toBe(before.hydratedBytes);
    const fd = fs.openSync(at('copy'), 'r+');
    fs.writeSync(fd, 'CHANGED', 1_000_000);
    fs.closeSync(fd);
    const changed = Buffer.from(content);
    changed.write('CHANGED', 1_000_000);
    expect(fs.readFileSync(at('copy')).equals(changed)).toBe(true);
    expect(fs.readFileSync(at('far')).equals(content)).toBe(true);
  });

  it('makes a copy of what is here that needs no server', async () => {
    const content = randomBytes(3_000_000);
    await drive.remoteContent('near', content);
    fs.readFileSync(at('near'));
    expect(python(copyWhole, [at('near'), at('copy of near')])).toBe('');
    fs.unlinkSync(at('near'));
    await drive.tell({ type: 'offline', offline: true });
    expect(fs.readFileSync(at('copy of near')).equals(content)).toBe(true);
    await drive.tell({ type: 'offline', offline: false });
  });

  it('copies ranges, of what was changed here too, and leaves holes holes', () => {
    const complaint = python(
      `import os, sys
source = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
target = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
os.pwrite(source, b'start', 0); os.pwrite(source, b'end', 10_000_000)
assert os.copy_file_range(source, target, 20_000_000) == 10_000_003
assert os.fstat(target).st_size == 10_000_003
assert os.pread(target, 5, 0) == b'start' and os.pread(target, 3, 10_000_000) == b'end'
assert os.lseek(target, 1_000_000, os.SEEK_DATA) > 9_000_000
assert os.copy_file_range(source, target, 3, 10_000_000, 1) == 3
assert os.pread(target, 5, 0) == b'sendt', os.pread(target, 5, 0)
assert os.copy_file_range(source, target, 100, 50_000, 0) == 100
assert os.pread(target, 5, 0) == bytes(5)
assert os.copy_file_range(source, source, 5, 0, 10_000_010) == 5
assert os.pread(source, 5, 10_000_010) == b'start' and os.pread(source, 7, 10_000_003) == bytes(7)`,
      [at('source'), at('target')],
    );
    expect(complaint).toBe('');
  });

  it('says what is wrong', () => {
    fs.writeFileSync(at('plain'), 'content');
    const complaint = python(
      `import errno, os, sys
path, folder = sys.argv[1:]
reading, writing = os.open(path, os.O_RDONLY), os.open(path, os.O_RDWR)
def fails(number, call):
    try: call()
    except OSError as e: assert e.errno == number, e
    else: raise AssertionError('did not fail')
fails(errno.EBADF, lambda: os.copy_file_range(writing, reading, 1, 0, 5))
fails(errno.EBADF, lambda: os.copy_file_range(reading, os.open(path, os.O_WRONLY | os.O_APPEND), 1))
fails(errno.EINVAL, lambda: os.copy_file_range(reading, writing, 4, 0, 2))
fails(errno.EISDIR, lambda: os.copy_file_range(os.open(folder, os.O_RDONLY), writing, 1))
assert os.copy_file_range(reading, writing, 10, 7, 20) == 0
assert os.copy_file_range(reading, writing, 10, 5, 20) == 2
assert open(path, 'rb').read() == b'content' + bytes(13) + b'nt'`,
      [at('plain'), drive.mountpoint],
    );
    expect(complaint).toBe('');
  });
});
