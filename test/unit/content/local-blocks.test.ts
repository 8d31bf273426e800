import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { ContentBench, inodeIdOf } from './content-bench.ts';

const blockBytes = 4096;
const original = 7 as Ino;
const copy = 8 as Ino;

describe('an evicted file', () => {
  let bench: ContentBench;
  beforeEach(() => {
    bench = new ContentBench(blockBytes, { timeoutMs: 300 });
  });
  afterEach(() => {
    bench.dispose();
  });

  /** Writes a file here and uploads it. */
  const writeAndDrain = async (ino: Ino, bytes: Uint8Array): Promise<void> => {
    const { tree, files, server } = bench;
    tree.setHead(ino, 0, { profile: 'fixed', entries: [] });
    const file = files.open(ino);
    file.write(0, bytes);
    tree.contentChanged(ino, file.size);
    files.close(file);
    const sequence = tree.contentSequence(ino);
    await files.openForDrain(ino)?.close();
    const manifest = server.put(inodeIdOf(ino), 1, bytes);
    tree.settle(ino, 1, manifest, sequence);
    files.drained(ino, sequence, manifest);
  };

  it('comes back from another file that was written here, without the server', async () => {
    const bytes = randomBytes(20 * blockBytes);
    await writeAndDrain(original, bytes);
    await writeAndDrain(copy, bytes);
    expect(bench.files.evictFile(original)).toBe(bytes.length);
    expect(Buffer.compare(await bench.readAll(original), bytes)).toBe(0);
    // And the other way round, from the one that came back.
    expect(bench.files.evictFile(copy)).toBe(bytes.length);
    expect(Buffer.compare(await bench.readAll(copy), bytes)).toBe(0);
    expect([bench.server.requests, bench.server.manifestRequests, bench.hydrator.copiedBlocks]).toEqual([[], 0, 40]);
  });

  it('comes back so after a restart too, and asks the server for what no other file has', async () => {
    const bytes = randomBytes(20 * blockBytes);
    const longer = Buffer.concat([bytes, randomBytes(blockBytes)]);
    await writeAndDrain(original, longer);
    await writeAndDrain(copy, bytes);
    await bench.restart();
    bench.files.evictFile(original);
    expect(Buffer.compare(await bench.readAll(original), longer)).toBe(0);
    expect(bench.server.requests.map(({ hashes }) => hashes.length)).toEqual([1]);
  });
});
