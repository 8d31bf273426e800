import { describe, expect, it } from 'vitest';
import { hashBlock } from '../../../blockstore/hash.ts';
import { MemoryStore } from '../../../blockstore/memory-store.ts';
import type { ObjectBody } from '../../../blockstore/object-store.ts';
import { PackMemory } from '../../../blockstore/pack-memory.ts';
import { PieceBuffer, PiecePool } from '../../../blockstore/piece-buffer.ts';
import type { BlockFrame } from '../../../protocol/block-service.ts';
import { limits } from '../../../protocol/limits.ts';
import { collect, frameOf, framesOf, makeBlockStore } from './make-block-store.ts';
import { seededBytes } from './seeded-bytes.ts';

const mebibyte = 1024 * 1024;

/** Remembers how many bytes were being put at one time. */
class CountingStore extends MemoryStore {
  underWayBytes = 0;
  underWayBytesMax = 0;

  override async put(key: string, body: ObjectBody): Promise<void> {
    const byteLength = body instanceof Uint8Array ? body.length : body.byteLength;
    this.underWayBytes += byteLength;
    this.underWayBytesMax = Math.max(this.underWayBytesMax, this.underWayBytes);
    await new Promise((resolve) => setImmediate(resolve));
    await super.put(key, body);
    this.underWayBytes -= byteLength;
  }
}

describe('the memory of packs', () => {
  it('is bounded over many puts, and all that was put can be read', async () => {
    const objects = new CountingStore();
    const { store } = makeBlockStore({ objects });
    const requests = Array.from({ length: 8 }, (_, request) =>
      Array.from({ length: 12 }, (__, block) => seededBytes(`${request}/${block}`, mebibyte)),
    );
    await Promise.all(requests.map((blocks) => store.put(framesOf(blocks))));
    expect(objects.underWayBytesMax).toBeLessThan(3 * limits.packBytesTarget);
    const hashes = requests.flat().map(hashBlock);
    expect(await collect(store.get(hashes))).toHaveLength(hashes.length);
  });

  it('is not lost to clients that stop in the middle: others go on', async () => {
    const { store } = makeBlockStore();
    const stalled = Promise.withResolvers<undefined>();
    const stalling = Array.from({ length: 4 }, (_, request) => {
      const blocks = Array.from({ length: 10 }, (__, block) => seededBytes(`stall ${request}/${block}`, mebibyte));
      return store.put(thenWait(blocks, stalled.promise));
    });
    const result = await store.put(framesOf([seededBytes('goes on', 1000), seededBytes('goes on too', mebibyte)]));
    expect(result.storedBlocks).toBe(2);
    stalled.resolve(undefined);
    expect((await Promise.all(stalling)).map(({ storedBlocks }) => storedBlocks)).toEqual([10, 10, 10, 10]);
  });

  it('is given back by a put that fails', async () => {
    const { store } = makeBlockStore();
    const blocks = Array.from({ length: 10 }, (_, block) => seededBytes(`failing ${block}`, mebibyte));
    const wrong: BlockFrame = { ...frameOf(seededBytes('wrong', 10)), hash: hashBlock(seededBytes('other', 10)) };
    async function* failing(): AsyncGenerator<BlockFrame> {
      yield* framesOf(blocks);
      yield wrong;
    }
    for (let time = 0; time < 5; time++) {
      await expect(store.put(failing())).rejects.toMatchObject({ code: 'corrupt' });
    }
    // Had it not been given back, each block would close a pack of its own.
    const { storedBytes } = await store.put(framesOf(Array.from({ length: 8 }, (_, at) => seededBytes(`${at}`, 1000))));
    expect(storedBytes).toBeLessThan(8 * 1016 + 8 * 49 + 200);
  });

  it('lets nobody wait when nothing is under way', async () => {
    const memory = new PackMemory(10);
    memory.hold(20);
    await memory.room();
    expect(memory.usedUp).toBe(true);
    memory.release(15);
    expect(memory.usedUp).toBe(false);
  });
});

describe('PieceBuffer', () => {
  it('uses the pieces of one that is done again, and keeps no more than it may', () => {
    const pool = new PiecePool(2 * mebibyte);
    const first = new PieceBuffer(pool);
    for (let at = 0; at < 6; at++) first.append(seededBytes(`piece ${at}`, mebibyte));
    const used = new Set(first.pieces().map(({ buffer }) => buffer));
    first.recycle();
    expect(first.byteLength).toBe(0);
    const bytes = seededBytes('again', 5 * mebibyte);
    const second = new PieceBuffer(pool);
    for (let at = 0; at < bytes.length; at += mebibyte) second.append(bytes.subarray(at, at + mebibyte));
    expect(second.pieces().filter(({ buffer }) => used.has(buffer))).toHaveLength(2);
    expect(Buffer.concat(second.pieces()).equals(bytes)).toBe(true);
  });
});

/** The blocks, and the end of the stream only once `until` resolves. */
async function* thenWait(blocks: readonly Uint8Array[], until: Promise<unknown>): AsyncGenerator<BlockFrame> {
  yield* framesOf(blocks);
  await until;
}
