import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { ContentBench, inodeIdOf } from './content-bench.ts';

const blockBytes = 4096;
const ino = 7 as Ino;
const other = 8 as Ino;

describe('hydration', () => {
  let bench: ContentBench;
  beforeEach(() => {
    bench = new ContentBench(blockBytes, { timeoutMs: 300 });
  });
  afterEach(() => {
    bench.dispose();
  });

  const put = (target: Ino, version: number, blocks: number): Buffer => {
    const bytes = randomBytes(blocks * blockBytes);
    bench.putHead(target, version, bytes);
    return bytes;
  };
  const asked = (): number => bench.server.requests.reduce((sum, request) => sum + request.hashes.length, 0);

  it('fetches each block once, however many ask at the same time', async () => {
    const bytes = put(ino, 1, 40);
    const all = await Promise.all(Array.from({ length: 10 }, () => bench.readAll(ino)));
    for (const read of all) expect(Buffer.compare(read, bytes)).toBe(0);
    expect([asked(), bench.hydrator.hydratedBlocks, bench.hydrator.hydratedBytes]).toEqual([40, 40, bytes.length]);
    expect(bench.server.requests.length).toBeLessThanOrEqual(2);
  });

  it('costs one request for the first byte when the manifest came with the change, and one more when not', async () => {
    put(ino, 1, 10);
    const file = bench.files.open(ino);
    await bench.hydrator.ensure(file, 0, 1);
    expect([bench.server.requests.length, bench.server.manifestRequests, asked()]).toEqual([1, 0, 1]);
    bench.files.close(file);
    put(other, 1, 10);
    bench.tree.forgetManifest(other);
    const second = bench.files.open(other);
    await bench.hydrator.ensure(second, 0, 1);
    expect([bench.server.requests.length, bench.server.manifestRequests]).toEqual([2, 1]);
    expect(bench.tree.manifest(other)).toBeDefined();
    bench.files.close(second);
  });

  it('takes blocks from another file that has them', async () => {
    const bytes = put(ino, 1, 20);
    await bench.readAll(ino);
    bench.putHead(other, 1, bytes);
    expect(Buffer.compare(await bench.readAll(other), bytes)).toBe(0);
    expect([asked(), bench.hydrator.copiedBlocks]).toEqual([20, 20]);
  });

  it('takes what did not change from the version it replaces', async () => {
    const bytes = put(ino, 1, 20);
    await bench.readAll(ino);
    const next = Buffer.concat([bytes, randomBytes(blockBytes)]);
    bench.putHead(ino, 2, next);
    bench.files.replaced(ino);
    expect(Buffer.compare(await bench.readAll(ino), next)).toBe(0);
    expect(asked()).toBe(21);
  });

  it('never takes a local block whose bytes were changed since', async () => {
    const bytes = put(ino, 1, 4);
    await bench.readAll(ino);
    const file = bench.files.open(ino);
    file.write(0, Buffer.from('changed'));
    bench.tree.contentChanged(ino, file.size);
    bench.files.close(file);
    bench.putHead(other, 1, bytes);
    expect(Buffer.compare(await bench.readAll(other), bytes)).toBe(0);
    expect(asked()).toBe(5);
  });

  it('refuses wrong bytes, keeps none of them, and reads well once the server does', async () => {
    const bytes = put(ino, 1, 3);
    bench.server.fault = () => 'wrongBytes';
    await expect(bench.readAll(ino)).rejects.toMatchObject({ code: 'corrupt' });
    bench.server.fault = () => undefined;
    expect(Buffer.compare(await bench.readAll(ino), bytes)).toBe(0);
  });

  it.each(['reset', 'endEarly'] as const)(
    'goes on after an answer broke off midway (%s), asking only for the rest',
    async (fault) => {
      const bytes = put(ino, 1, 30);
      let frames = 0;
      bench.server.fault = () => ((frames += 1) === 11 ? fault : undefined);
      expect(Buffer.compare(await bench.readAll(ino), bytes)).toBe(0);
      expect(bench.hydrator.hydratedBlocks).toBe(30);
      expect(bench.server.requests.map((request) => request.hashes.length)).toEqual([30, 20]);
    },
  );

  it('says timeout when the server hangs, and unavailable when it cannot be reached', async () => {
    put(ino, 1, 1);
    bench.server.fault = () => 'hang';
    await expect(bench.readAll(ino)).rejects.toMatchObject({ code: 'timeout' });
    bench.server.fault = () => 'reset';
    await expect(bench.readAll(ino)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('lets an interrupted reader go while others still get the block', async () => {
    const bytes = put(ino, 1, 1);
    const [file, gate] = [bench.files.open(ino), Promise.withResolvers<void>()];
    const get = bench.server.get.bind(bench.server);
    bench.server.get = async function* (...request) {
      await gate.promise;
      yield* get(...request);
    };
    const controller = new AbortController();
    const interrupted = bench.hydrator.ensure(file, 0, 10, controller.signal);
    const patient = bench.readAll(ino);
    controller.abort();
    await expect(interrupted).rejects.toMatchObject({ code: 'cancelled' });
    gate.resolve();
    expect(Buffer.compare(await patient, bytes)).toBe(0);
    bench.files.close(file);
  });

  it('keeps what was written while its block was on the way', async () => {
    const bytes = put(ino, 1, 2);
    const file = bench.files.open(ino);
    const hydrated = bench.hydrator.ensure(file, 0, file.size);
    file.write(100, Buffer.from('newer'));
    file.truncate(5_000);
    bench.tree.contentChanged(ino, file.size);
    await hydrated;
    bytes.write('newer', 100);
    expect(Buffer.compare(await bench.readAll(ino), bytes.subarray(0, 5_000))).toBe(0);
    bench.files.close(file);
  });

  it('leaves holes as holes', async () => {
    const bytes = Buffer.concat([
      Buffer.alloc(50 * blockBytes),
      randomBytes(blockBytes),
      Buffer.alloc(50 * blockBytes),
    ]);
    bench.putHead(ino, 1, bytes);
    expect(Buffer.compare(await bench.readAll(ino), bytes)).toBe(0);
    expect(asked()).toBe(1);
    const file = bench.files.open(ino);
    expect(file.dataRanges(0)).toEqual([{ start: 50 * blockBytes, end: 51 * blockBytes }]);
    bench.files.close(file);
  });
});

describe('content files', () => {
  it('are evicted least recently used first, never dirty or open ones', async () => {
    const bench = new ContentBench(blockBytes, { cacheBytesMax: 20 * blockBytes });
    try {
      const inos = [11, 12, 13, 14].map((number) => number as Ino);
      for (const each of inos) bench.putHead(each, 1, randomBytes(8 * blockBytes));
      const dirty = bench.files.open(11 as Ino);
      await bench.hydrator.ensure(dirty, 0, dirty.size);
      dirty.write(0, Buffer.from('dirty'));
      bench.tree.contentChanged(11 as Ino, dirty.size);
      bench.files.close(dirty);
      for (const each of inos.slice(1)) await bench.readAll(each);
      await bench.files.trimmed();
      expect(bench.files.usedBytes).toBeLessThanOrEqual(20 * blockBytes);
      const before = bench.server.requests.length;
      await bench.readAll(11 as Ino);
      await bench.readAll(14 as Ino);
      expect(bench.server.requests.length).toBe(before);
    } finally {
      bench.dispose();
    }
  });

  it('are private', async () => {
    const bench = new ContentBench(blockBytes);
    try {
      bench.putHead(ino, 1, randomBytes(blockBytes));
      await bench.readAll(ino);
      expect(statSync(bench.directory).mode & 0o077).toBe(0);
      const branch = join(
        bench.directory,
        readdirSync(bench.directory).find((name) => /^[0-9a-f]{2}$/.test(name)) ?? '',
      );
      const file = join(branch, readdirSync(branch)[0] ?? '');
      expect([statSync(branch).mode & 0o077, statSync(file).mode & 0o177]).toEqual([0, 0]);
      expect(readFileSync(file).length).toBe(blockBytes);
    } finally {
      bench.dispose();
    }
  });

  it('move with their dirty bytes and whoever has them open', async () => {
    const bench = new ContentBench(blockBytes);
    try {
      const bytes = randomBytes(4 * blockBytes);
      bench.putHead(ino, 1, bytes);
      const file = bench.files.open(ino);
      file.write(5, Buffer.from('loser'));
      bench.tree.contentChanged(ino, file.size);
      bench.tree.setHead(other, 0, { profile: 'fixed', entries: [] });
      bench.tree.contentChanged(other, file.size);
      bench.files.move({ id: 1, from: ino, to: other });
      const head = randomBytes(blockBytes);
      bench.putHead(ino, 2, head);
      bytes.write('loser', 5);
      expect(Buffer.compare(await bench.readAll(other), bytes)).toBe(0);
      expect(Buffer.compare(await bench.readAll(ino), head)).toBe(0);
      expect(file.ino).toBe(other);
      const source = bench.files.openForDrain(other);
      expect(source?.dirtyRanges).toEqual([{ start: 0, end: bytes.length }]);
      await source?.close();
      bench.files.close(file);
    } finally {
      bench.dispose();
    }
  });

  it('of a replaced version vanish from the disk in time, and those of a removed inode soon', async () => {
    const bench = new ContentBench(blockBytes);
    try {
      bench.putHead(ino, 1, randomBytes(blockBytes));
      const held = bench.files.open(ino);
      await bench.hydrator.ensure(held, 0, 1);
      bench.putHead(ino, 2, randomBytes(blockBytes));
      bench.files.replaced(ino);
      expect(held.isRetired).toBe(true);
      const target = Buffer.alloc(blockBytes);
      expect(held.read(0, target)).toBe(blockBytes);
      await bench.readAll(ino);
      bench.files.close(held);
      bench.files.evict(0);
      expect(bench.files.usedBytes).toBe(0);
      await bench.readAll(ino);
      bench.tree.remove(ino);
      bench.files.forget(ino);
      await vi.waitFor(() => expect(bench.files.usedBytes).toBe(0));
      expect(inodeIdOf(ino)).toHaveLength(32);
    } finally {
      bench.dispose();
    }
  });
});
