import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContentFile } from '../../../mount/content/content-file.ts';
import { segmentBytes } from '../../../mount/content/segment-uses.ts';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { systemClock } from '../../../protocol/system-environment.ts';
import { ContentBench } from './content-bench.ts';

const mib = 1024 * 1024;
const blockBytes = 256 * 1024;
const budget = 64 * mib;
const large = 3 as Ino;

/** What the disk says that all content files take. */
function diskBytes(directory: string): number {
  const branches = readdirSync(directory).filter((name) => /^[0-9a-f]{2}$/.test(name));
  const paths = branches.flatMap((branch) =>
    readdirSync(join(directory, branch)).map((name) => join(directory, branch, name)),
  );
  return paths.reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
}

describe('the cache', () => {
  let nowMs: number;
  let pinned: Set<Ino>;
  let bench: ContentBench;
  beforeEach(() => {
    nowMs = 1_000;
    pinned = new Set();
    const clock = {
      nowMs: () => nowMs,
      nowNs: () => BigInt(nowMs) * 1_000_000n,
      sleep: systemClock.sleep.bind(systemClock),
    };
    bench = new ContentBench(blockBytes, { cacheBytesMax: budget, clock, isPinned: (ino) => pinned.has(ino) });
  });
  afterEach(() => {
    bench.dispose();
  });

  const read = async (file: ContentFile, offset: number, length: number): Promise<void> => {
    nowMs += 1;
    await bench.hydrator.ensure(file, offset, length);
    file.read(offset, new Uint8Array(length));
    await bench.files.trimmed();
  };
  const isLocal = (file: ContentFile, segment: number): boolean =>
    file.isReadable(segment * segmentBytes, segmentBytes);
  /** A block's worth of random bytes, repeated: what is different lies in the first bytes of each block. */
  const largeBytes = (size: number): Buffer => {
    const bytes = Buffer.alloc(size, randomBytes(blockBytes));
    for (let at = 0; at < size; at += blockBytes) bytes.writeUInt32LE(at / blockBytes, at);
    return bytes;
  };

  it('keeps to its budget within 5 % by what the disk says, while a file three times as large is read', async () => {
    bench.putHead(large, 1, largeBytes(3 * budget));
    const file = bench.files.open(large);
    let most = 0;
    for (let at = 0; at < file.size; at += mib) {
      await read(file, at, mib);
      most = Math.max(most, diskBytes(bench.directory));
    }
    expect(most).toBeLessThanOrEqual(budget * 1.05);
    // And no more is given up than has to be.
    expect(diskBytes(bench.directory)).toBeGreaterThanOrEqual(budget * 0.9);
    expect(Math.abs(bench.files.usedBytes - diskBytes(bench.directory))).toBeLessThanOrEqual(2 * mib);
    bench.files.close(file);
    expect(bench.files.usedBytes).toBe(diskBytes(bench.directory));
  });

  it('gives up the ranges of a file that were used longest ago, open or closed, also after a restart', async () => {
    bench.putHead(large, 1, largeBytes(20 * segmentBytes));
    let file = bench.files.open(large);
    for (let segment = 0; segment < 15; segment += 1) await read(file, segment * segmentBytes, segmentBytes);
    // The first ones are used again, so that others are the oldest.
    await read(file, 0, 10);
    await read(file, segmentBytes, 10);
    await read(file, 15 * segmentBytes, 2 * segmentBytes);
    expect([0, 1, 2, 3, 16].map((segment) => isLocal(file, segment))).toEqual([true, true, false, false, true]);
    bench.files.close(file);
    await bench.restart();
    bench.files.evict(40 * mib);
    file = bench.files.open(large);
    const kept = Array.from({ length: 20 }, (_, segment) => segment).filter((segment) => isLocal(file, segment));
    expect(kept).toEqual([0, 1, 9, 10, 11, 12, 13, 14, 15, 16]);
    bench.files.close(file);
  });

  it('never gives up what is dirty, pinned, wanted or being uploaded', async () => {
    const bytes = largeBytes(16 * segmentBytes);
    bench.putHead(large, 1, bytes);
    const file = bench.files.open(large);
    await bench.hydrator.ensure(file, 0, 2 * segmentBytes);
    const used = bench.files.usedBytes;
    pinned.add(large);
    bench.files.evict(0);
    expect(bench.files.usedBytes).toBe(used);
    pinned.clear();

    const leave = file.want({ start: 100, end: 200 });
    bench.files.evict(0);
    expect([isLocal(file, 0), isLocal(file, 1)]).toEqual([true, false]);
    leave();

    const drain = bench.files.openForDrain(large);
    bench.files.evict(0);
    expect(isLocal(file, 0)).toBe(true);
    await drain?.close();

    file.write(5, Buffer.from('dirty'));
    bench.tree.contentChanged(large, file.size);
    bench.files.evict(0);
    expect(isLocal(file, 0)).toBe(true);
    expect(bench.files.evictFile(large)).toBe('dirty');
    bench.files.close(file);
  });

  it('goes on past pinned files to the others', async () => {
    for (let ino = 10; ino < 90; ino += 1) bench.putHead(ino as Ino, 1, randomBytes(blockBytes));
    for (let ino = 10; ino < 90; ino += 1) {
      nowMs += 1;
      await bench.readAll(ino as Ino);
      if (ino < 80) pinned.add(ino as Ino);
    }
    bench.files.evict(0);
    expect(bench.files.usedBytes).toBe(70 * blockBytes);
  });

  it('counts what a sparse file takes of the disk, not its length', async () => {
    const file = bench.files.open((bench.tree.setHead(large, 0, { profile: 'fixed', entries: [] }), large));
    file.truncate(64 * 1024 * mib);
    file.write(64 * 1024 * mib - 5, Buffer.from('end'));
    bench.tree.contentChanged(large, file.size);
    bench.files.close(file);
    expect(bench.files.usedBytes).toBe(diskBytes(bench.directory));
    expect(bench.files.usedBytes).toBeLessThan(mib);
  });

  it('claims nothing that is gone, wherever a kill comes while it gives ranges up', async () => {
    const bytes = largeBytes(4 * segmentBytes);
    bench.putHead(large, 1, bytes);
    await bench.readAll(large);
    const whole = diskBytes(bench.directory);
    // After the ledger forgot the segment and before the hole is there, and after both.
    for (const [step, name] of (['record', 'measured'] as const).entries()) {
      const file = bench.files.open(large);
      const { ledger } = bench.files;
      const done = ledger[name].bind(ledger) as (...values: unknown[]) => void;
      ledger[name] = (...values: unknown[]) => {
        done(...values);
        throw new Error('killed');
      };
      expect(() => file.evict([step + 1])).toThrow('killed');
      expect(diskBytes(bench.directory)).toBe(whole - step * segmentBytes);
      bench.kill();
    }
    const again = bench.files.open(large);
    expect([0, 1, 2, 3].map((segment) => isLocal(again, segment))).toEqual([true, false, false, true]);
    bench.files.close(again);
    expect(Buffer.compare(await bench.readAll(large), bytes)).toBe(0);
  });

  it('believes nothing after a power cut that was given up after it was fsynced', async () => {
    const bytes = largeBytes(2 * segmentBytes);
    bench.tree.setHead(large, 0, { profile: 'fixed', entries: [] });
    const file = bench.files.open(large);
    file.write(0, bytes);
    bench.tree.contentChanged(large, file.size);
    await bench.files.sync(large);
    const sequence = bench.tree.contentSequence(large);
    await bench.files.openForDrain(large)?.close();
    const manifest = bench.server.put(bench.tree.inode(large)!.id, 1, bytes);
    bench.tree.settle(large, 1, manifest, sequence);
    bench.files.drained(large, sequence, manifest);
    file.evict([0]);
    file.write(segmentBytes + 5, Buffer.from('lost without fsync'));
    bench.tree.contentChanged(large, file.size);
    bench.killAndReboot();
    expect(Buffer.compare(await bench.readAll(large), bytes)).toBe(0);
  });
});
