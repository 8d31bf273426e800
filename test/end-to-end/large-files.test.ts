import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open, stat, truncate } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chunkFile } from '../../blockstore/chunk-file.ts';
import { encodeBlock } from '../../blockstore/codec.ts';
import { RemoteDrive } from '../../mount/remote/remote-drive.ts';
import type { BlockHash, ClientCommitId, InodeId } from '../../protocol/ids.ts';
import { makeId } from '../../protocol/ids.ts';
import type { Manifest, ManifestEntry } from '../../protocol/manifest.ts';
import { manifestSize } from '../../protocol/manifest.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';
import { Logins } from '../../cli/logins.ts';
import { placesFor } from '../../cli/places.ts';
import { openAdasStand } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { skipLoudly, whyNoMount, whyNoProgram } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

const mib = 1024 * 1024;
const gib = 1024 * mib;

/** The most memory a process had, in bytes: `VmHWM` of proc(5). */
function memoryBytesMax(pid: number | undefined): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Bytes that a process has read, from the page cache too: `rchar` of proc(5). */
function readBytes(pid: number | undefined): number {
  return Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}

/** Where data and holes are, as `SEEK_DATA` and `SEEK_HOLE` of lseek(2) tell. */
function seeks(path: string): number[] {
  const script = `
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(fd).st_size
at = 0
while at < size:
    try:
        start = os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        break
    at = os.lseek(fd, start, os.SEEK_HOLE)
    print(start, at)`;
  return execFileSync('python3', ['-c', script, path], { encoding: 'utf8' }).trim().split(/\s+/).map(Number);
}

describe.skipIf(skipLoudly('large files', whyNoMount(), whyNoProgram('python3', 'python3')))('a large file', () => {
  let stand: Stand;
  let a: Device;
  let b: Device;

  beforeAll(async () => {
    ({ stand, a, b } = await openAdasStand({ a: 'direct', b: 'direct' }));
  }, 60_000);

  afterAll(() => stand?.close());

  test('of 64 GiB that is nearly all holes costs what its data do, however it is cut and grown', async () => {
    const size = 64 * gib;
    const [first, last] = [randomBytes(mib), randomBytes(mib)];
    const before = readBytes(a.process.child.pid);
    const file = await open(a.path('sparse'), 'w+');
    await file.write(first, 0, mib, 3 * gib);
    await file.write(last, 0, mib, size - mib);
    const hole = Buffer.alloc(mib, 1);
    await file.read(hole, 0, mib, 40 * gib);
    expect(hole.every((byte) => byte === 0)).toBe(true);
    await file.close();
    expect(seeks(a.path('sparse'))).toEqual([3 * gib, 3 * gib + mib, size - mib, size]);
    await a.drain(60);
    expect((await a.status()).cachedBytes).toBeLessThan(4 * mib);

    await eventually(async () => expect((await stat(b.path('sparse'))).size).toBe(size));
    expect(seeks(b.path('sparse'))).toEqual([3 * gib, 3 * gib + mib, size - mib, size]);
    const there = await open(b.path('sparse'), 'r');
    const got = Buffer.alloc(mib);
    await there.read(got, 0, mib, size - mib);
    expect(Buffer.compare(got, last)).toBe(0);
    await there.close();

    await truncate(a.path('sparse'), 30 * gib + 5);
    await truncate(a.path('sparse'), 50 * gib);
    await a.drain(60);
    await eventually(async () => expect((await stat(b.path('sparse'))).size).toBe(50 * gib));
    expect(seeks(b.path('sparse'))).toEqual([3 * gib, 3 * gib + mib]);
    expect(readBytes(a.process.child.pid) - before).toBeLessThan(64 * mib);
    for (const device of [a, b]) expect(memoryBytesMax(device.process.child.pid)).toBeLessThan(300 * 1000 * 1000);
  }, 180_000);

  /** A file of at least `size` bytes on the server, of which no device has anything: the same random bytes again and again. */
  const putRepeated = async (
    name: string,
    size: number,
  ): Promise<{ readonly period: Buffer; readonly size: number }> => {
    const period = randomBytes(16 * mib);
    const login = await new Logins(placesFor({ HOME: a.home }).logins).find(undefined);
    const drive = new RemoteDrive({ url: login.server, token: login.token });
    try {
      const namespace = (await drive.namespaces())[0]!.id;
      const whole = Buffer.concat([period, period, period]);
      const bytesOf = new Map<BlockHash, Buffer>();
      const cut = await chunkFile(
        {
          size: whole.length,
          dataRanges: [{ start: 0, end: whole.length }],
          read: async (offset, length) => whole.subarray(offset, offset + length),
        },
        ({ hash, bytes }) => void bytesOf.set(hash, Buffer.from(bytes)),
      );
      const { head, round } = roundOf(cut, period.length);
      const entries = [...head];
      for (let at = manifestSize({ ...cut, entries: head }); at < size; at += period.length) entries.push(...round);
      const manifest = { profile: cut.profile, entries };
      const hashes = new Set(entries.map(({ hash }) => hash));
      const frames = async function* () {
        for (const hash of hashes) yield encodeBlock(hash, bytesOf.get(hash)!);
      };
      await drive.put(namespace, frames());
      const nowNs = systemClock.nowNs();
      const root = await drive.resolve(namespace, []);
      await drive.commit(namespace, {
        clientCommitId: makeId<ClientCommitId>(systemClock, systemRandomness),
        operations: [
          {
            ...{ type: 'create', parent: root.inode, name, kind: 'file', mode: 0o644, uid: null, gid: null, rdev: 0 },
            ...{ inode: makeId<InodeId>(systemClock, systemRandomness), target: null, manifest, xattrs: new Map() },
            ...{ mtimeNs: nowNs, ctimeNs: nowNs },
          },
        ],
        onConflict: 'refuse',
      });
      return { period, size: manifestSize(manifest) };
    } finally {
      drive.close();
    }
  };

  test('of 10 GiB that is not on the local disk takes random writes without being fetched, and uploads what changed around them', async () => {
    const { period, size } = await putRepeated('image', 10 * gib);
    await eventually(async () => expect((await stat(b.path('image'))).size).toBe(size));
    const pid = b.process.child.pid;
    const before = { ...(await b.status()), readBytes: readBytes(pid) };
    const writes = Array.from({ length: 50 }, (_, at) => ({
      offset: Math.floor((at * size) / 50 / 4096) * 4096,
      bytes: randomBytes(4096),
    }));
    const file = await open(b.path('image'), 'r+');
    for (const { offset, bytes } of writes) await file.write(bytes, 0, 4096, offset);
    await file.sync();
    await file.close();
    await b.drain(120);
    const after = { ...(await b.status()), readBytes: readBytes(pid) };
    // Around a write lie the block that it is in, and those until boundaries meet again: a few blocks of 1 MiB at most each.
    expect(after.uploadedBytes - before.uploadedBytes).toBeLessThan(50 * 2 * mib);
    expect(after.cachedBytes - before.cachedBytes).toBeLessThan(50 * 4 * mib);
    expect(after.readBytes - before.readBytes).toBeLessThan(50 * 12 * mib);
    expect(memoryBytesMax(pid)).toBeLessThan(300 * 1000 * 1000);

    const seen = await eventually(async () => {
      const there = await open(a.path('image'), 'r');
      try {
        const got = Buffer.alloc(4096);
        await there.read(got, 0, 4096, writes[49]!.offset);
        expect(Buffer.compare(got, writes[49]!.bytes)).toBe(0);
        const around = Buffer.alloc(64 * 1024);
        await there.read(around, 0, around.length, writes[25]!.offset);
        return around;
      } finally {
        await there.close();
      }
    });
    const expected = Buffer.from(Array.from(seen, (_, at) => period[(writes[25]!.offset + at) % period.length]!));
    writes[25]!.bytes.copy(expected);
    expect(Buffer.compare(seen, expected)).toBe(0);
  }, 240_000);
});

/** Cut by its content, a repeated text is cut alike each time: what comes before, and the blocks of one round. */
function roundOf(cut: Manifest, periodBytes: number): { head: ManifestEntry[]; round: ManifestEntry[] } {
  const ends: number[] = [];
  let end = 0;
  for (const { length } of cut.entries) ends.push((end += length));
  const from = ends.findIndex((each) => each >= periodBytes && ends.includes(each + periodBytes));
  const to = ends.indexOf((ends[from] ?? NaN) + periodBytes);
  if (from < 0 || to < 0) throw new Error('the cut does not repeat');
  return { head: cut.entries.slice(0, from + 1), round: cut.entries.slice(from + 1, to + 1) };
}
