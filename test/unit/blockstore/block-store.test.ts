import { describe, expect, it } from 'vitest';
import { decodeBlock } from '../../../blockstore/codec.ts';
import { hashBlock } from '../../../blockstore/hash.ts';
import { readPackDirectory } from '../../../blockstore/pack.ts';
import type { ObjectBody, ObjectRange } from '../../../blockstore/object-store.ts';
import { collectPieces } from '../../../blockstore/object-body.ts';
import { MemoryStore } from '../../../blockstore/memory-store.ts';
import { limits } from '../../../protocol/limits.ts';
import type { BlockHash, PackId } from '../../../protocol/ids.ts';
import { collect, frameOf, framesOf, makeBlockStore } from './make-block-store.ts';
import { MemoryBlockIndex } from './memory-block-index.ts';
import { seededBytes, seededText } from './seeded-bytes.ts';

const kib = 1024;

function plaintexts(seed: string, count: number, length: number): Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    index % 2 === 0 ? seededBytes(`${seed}${index}`, length) : seededText(`${seed}${index}`, length),
  );
}

/** Counts the calls that reach a memory store, and remembers the ranges read. */
class CountingStore extends MemoryStore {
  puts = 0;
  readonly reads: (ObjectRange | undefined)[] = [];
  override async put(key: string, body: ObjectBody): Promise<void> {
    this.puts++;
    await super.put(key, body);
  }
  override get(key: string, range?: ObjectRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    this.reads.push(range);
    return super.get(key, range, signal);
  }
}

describe('BlockStore', () => {
  it('gives back what was put, each block once, in its stored encoding', async () => {
    const { store } = makeBlockStore();
    const blocks = plaintexts('a', 40, 100 * kib);
    const result = await store.put(framesOf(blocks));
    expect(result).toMatchObject({ receivedBlocks: 40, storedBlocks: 40 });
    expect(result.hashes.size).toBe(40);
    const hashes = blocks.map(hashBlock);
    const frames = await collect(store.get([...hashes, ...hashes]));
    expect(frames.map(({ hash }) => hash)).toEqual(hashes);
    frames.forEach((frame, index) => expect(blocks[index]?.equals(decodeBlock(frame))).toBe(true));
    expect(new Set(frames.map(({ encoding }) => encoding))).toEqual(new Set(['raw', 'zstd']));
  });

  it('stores a block once, whether it comes again in one request or in another', async () => {
    const objects = new CountingStore();
    const { store } = makeBlockStore({ objects });
    const blocks = plaintexts('b', 6, 20 * kib);
    await store.put(framesOf([...blocks, ...blocks]));
    const again = await store.put(framesOf(blocks));
    expect(again).toMatchObject({ receivedBlocks: 6, storedBlocks: 0, storedBytes: 0 });
    expect(again.hashes).toEqual(new Set(blocks.map(hashBlock)));
    expect(objects.puts).toBe(1);
  });

  it('is done with each frame, new or not, before a put ends: its memory may go then', async () => {
    const { store } = makeBlockStore();
    const blocks = plaintexts('s', 12, 100 * kib);
    const hashes = blocks.map(hashBlock);
    const expected = blocks.map((block) => Buffer.from(block));
    await store.put(framesOf(blocks.slice(0, 3).map((block) => Buffer.from(block))));
    let spent = 0;
    await store.put(framesOf(blocks), undefined, (bytes) => {
      spent += 1;
      bytes.fill(0);
    });
    expect(spent).toBe(blocks.length);
    const frames = await collect(store.get(hashes));
    frames.forEach((frame, index) => expect(expected[index]?.equals(decodeBlock(frame))).toBe(true));
  });

  it('closes a pack at its target size', async () => {
    const { store, objects } = makeBlockStore();
    const blocks = Array.from({ length: 40 }, (_, index) => seededBytes(`c${index}`, limits.blockBytesMax));
    const result = await store.put(framesOf(blocks));
    const packs = await collect(objects.list('packs/'));
    expect(packs).toHaveLength(3);
    expect(packs.reduce((sum, pack) => sum + pack.byteLength, 0)).toBe(result.storedBytes);
    for (const pack of packs) expect(pack.byteLength).toBeLessThan(limits.packBytesTarget + 2 * limits.blockBytesMax);
  });

  it('reads adjacent blocks with one ranged read', async () => {
    const objects = new CountingStore();
    const { store } = makeBlockStore({ objects });
    const blocks = plaintexts('d', 30, 50 * kib);
    await store.put(framesOf(blocks));
    await collect(store.get(blocks.slice(3, 20).map(hashBlock)));
    expect(objects.reads).toHaveLength(1);
  });

  it('puts a pack before it records it', async () => {
    const seen: string[] = [];
    class ObservedStore extends MemoryStore {
      override async put(key: string, body: ObjectBody): Promise<void> {
        await super.put(key, body);
        seen.push('durable');
      }
    }
    class ObservedIndex extends MemoryBlockIndex {
      override async record(...args: Parameters<MemoryBlockIndex['record']>): Promise<void> {
        seen.push('recorded');
        await super.record(...args);
      }
    }
    const { store } = makeBlockStore({ objects: new ObservedStore(), index: new ObservedIndex() });
    await store.put(framesOf(plaintexts('e', 3, kib)));
    expect(seen).toEqual(['durable', 'recorded']);
  });

  it('refuses a block whose hash is wrong and names nothing that is not stored', async () => {
    const index = new MemoryBlockIndex();
    const { store } = makeBlockStore({ index });
    async function* frames() {
      yield frameOf(seededBytes('good', kib));
      yield { ...frameOf(seededBytes('bad', kib)), hash: hashBlock(seededBytes('other', kib)) };
    }
    await expect(store.put(frames())).rejects.toMatchObject({ code: 'corrupt' });
    expect(index.located.size).toBe(0);
  });

  it('says notFound for a block it never had, and corrupt for one whose pack is gone', async () => {
    const { store, objects } = makeBlockStore();
    const block = seededBytes('f', kib);
    await store.put(framesOf([block]));
    const unknown = 'ab'.repeat(32) as BlockHash;
    await expect(collect(store.get([hashBlock(block), unknown]))).rejects.toMatchObject({ code: 'notFound' });
    for await (const { key } of objects.list('')) await objects.delete(key);
    await expect(collect(store.get([hashBlock(block)]))).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('can make its index again from the packs alone', async () => {
    const index = new MemoryBlockIndex();
    const { store, objects, masterKeys } = makeBlockStore({ index });
    const blocks = plaintexts('g', 10, 10 * kib);
    await store.put(framesOf(blocks));
    const rebuilt = new MemoryBlockIndex();
    for await (const { key, byteLength } of objects.list('packs/')) {
      const read = (offset: number, length: number) => collectPieces(objects.get(key, { offset, length }), length);
      const found = await readPackDirectory(key.slice(-32) as PackId, byteLength, read, masterKeys);
      await rebuilt.record(found.record, found.blocks);
    }
    expect(rebuilt.located).toEqual(index.located);
  });

  it('gives up a put when its signal aborts, and stores nothing', async () => {
    const index = new MemoryBlockIndex();
    const { store } = makeBlockStore({ index });
    const controller = new AbortController();
    async function* frames() {
      yield frameOf(seededBytes('before', kib));
      controller.abort();
      yield frameOf(seededBytes('after', kib));
    }
    await expect(store.put(frames(), controller.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect(index.packs.size).toBe(0);
  });

  it('stops early without leaving a read open', async () => {
    const { store } = makeBlockStore();
    const blocks = plaintexts('h', 30, limits.blockBytesMax);
    await store.put(framesOf(blocks));
    let given = 0;
    for await (const frame of store.get(blocks.map(hashBlock))) {
      expect(frame.length).toBe(limits.blockBytesMax);
      if (++given === 2) break;
    }
    expect(given).toBe(2);
  });
});
