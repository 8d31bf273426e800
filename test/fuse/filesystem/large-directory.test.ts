import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
if (!pythonHere) console.warn('SKIPPED: a folder of 100,000 entries on a drive: python3 is missing');
const timeoutMs = 300_000;

/** opendir(3) and what belongs to it, which Python hides. */
const preamble = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
class Entry(ctypes.Structure):
    _fields_ = [('ino', ctypes.c_uint64), ('off', ctypes.c_int64), ('length', ctypes.c_ushort), ('type', ctypes.c_ubyte), ('name', ctypes.c_char * 256)]
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Entry)
libc.telldir.restype = ctypes.c_long
for call in (libc.readdir, libc.telldir, libc.rewinddir, libc.closedir): call.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
def entries(stream):
    while True:
        entry = libc.readdir(stream)
        if not entry: return
        yield entry.contents.name.decode()
`;

describe.skipIf(!pythonHere).each(direct)('a folder of 100,000 entries on a drive mounted as %s', (mounter) => {
  let drive: MountedDrive;
  const run = (program: string): string => {
    const { stderr, signal } = spawnSync('python3', ['-c', preamble + program, drive.path('folder')], {
      encoding: 'utf8',
      timeout: timeoutMs,
    });
    return signal === null ? stderr : `ended by ${signal}`;
  };

  beforeAll(async () => {
    drive = await MountedDrive.start(mounter);
  });
  afterAll(async () => {
    expect((await drive.counts()).defects).toEqual([]);
    await drive[Symbol.asyncDispose]();
  });

  it(
    'is read from any place that telldir(3) gave, each entry that stays once, while others come and go',
    () => {
      const complaint = run(`
count = 100_000
folder = sys.argv[1]
os.mkdir(folder)
os.close(os.open(folder + '/0', os.O_CREAT | os.O_WRONLY))
for i in range(1, count): os.link(folder + '/0', f'{folder}/{i}')
assert os.stat(folder + '/0').st_nlink == count
stream = libc.opendir(folder.encode())
seen, places = [], {}
for name in entries(stream):
    if name in ('.', '..'): continue
    seen.append(name)
    if len(seen) % 10_000 == 0: places[len(seen)] = libc.telldir(stream)
assert len(seen) == count and len(set(seen)) == count, (len(seen), len(set(seen)))
# From each place, what comes next is what came next.
for at, place in places.items():
    libc.seekdir(stream, place)
    rest = [name for name, _ in zip(entries(stream), range(100))]
    assert rest == seen[at:at + 100], (at, rest[:3], seen[at:at + 3])
# Halfway through, a third goes, others come, and one is renamed: what stays is seen once.
libc.rewinddir(stream)
passed = [name for name, _ in zip(entries(stream), range(50_000))]
halfway = libc.telldir(stream)
for name in seen[::3]: os.unlink(f'{folder}/{name}')
for i in range(1_000): os.link(f'{folder}/{seen[1]}', f'{folder}/new {i}')
gone = set(seen[::3])
rest = list(entries(stream))
stay = set(seen) - gone
both = [name for name in passed + rest if name in stay]
assert len(both) == len(set(both)) == len(stay), (len(both), len(set(both)))
libc.seekdir(stream, halfway)
assert [name for name in entries(stream) if name in stay] == [name for name in rest if name in stay], 'after seekdir'
libc.closedir(stream)
left = os.listdir(folder)
assert len(left) == len(set(left)) == count - len(gone) + 1_000, len(left)
for name in left: os.unlink(f'{folder}/{name}')
os.rmdir(folder)`);
      expect(complaint).toBe('');
    },
    timeoutMs,
  );
});
