import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBlock } from '../../blockstore/codec.ts';
import { FaultyStore, type FaultRates } from '../../blockstore/faulty-store.ts';
import { hashBlock } from '../../blockstore/hash.ts';
import { MemoryStore } from '../../blockstore/memory-store.ts';
import { packKey } from '../../blockstore/pack.ts';
import { RetryingStore } from '../../blockstore/retrying-store.ts';
import { isDriveError } from '../../protocol/errors.ts';
import { systemClock } from '../../protocol/system-environment.ts';
import { collect, framesOf, makeBlockStore } from '../unit/blockstore/make-block-store.ts';
import { MemoryBlockIndex } from '../unit/blockstore/memory-block-index.ts';
import { seededBytes, seededRandomness, seededText } from '../unit/blockstore/seeded-bytes.ts';

const blocks = Array.from({ length: 12 }, (_, index) =>
  index % 3 === 0 ? seededText(`${index}`, 90_000) : seededBytes(`${index}`, 150_000),
);

function makeFaulty(seed: string, rates: FaultRates, retries: boolean) {
  const environment = { clock: systemClock, randomness: seededRandomness(seed) };
  const memory = new MemoryStore();
  const faulty = new FaultyStore(memory, environment, rates, 1);
  const policy = { attemptsMax: 40, delayMsMin: 0.1, delayMsMax: 0.5 };
  const objects = retries ? new RetryingStore(faulty, environment, policy) : faulty;
  const index = new MemoryBlockIndex();
  return { memory, faulty, ...makeBlockStore({ objects, index }), index };
}

describe('BlockStore over a faulty store', () => {
  it('never gives wrong bytes, whatever goes wrong, and names in its index only what is durable (property)', async () => {
    const rate = fc.constantFrom(0, 0.02, 0.2);
    const anyRates = fc.record({ errorBefore: rate, errorAfter: rate, broken: rate, truncated: rate, flipped: rate });
    const outcomes = { read: 0, failed: 0 };
    const property = fc.asyncProperty(fc.nat(), anyRates, fc.boolean(), async (seed, rates, retries) => {
      const { store, memory, index } = makeFaulty(String(seed), rates, retries);
      await store.put(framesOf(blocks)).catch((error: unknown) => {
        if (!isDriveError(error, 'unavailable')) throw error;
      });
      for (const { pack, byteLength } of index.packs.values()) {
        expect((await memory.head(packKey(pack))).byteLength).toBe(byteLength);
      }
      try {
        for await (const frame of store.get(blocks.map(hashBlock))) {
          expect(hashBlock(decodeBlock(frame))).toBe(frame.hash);
        }
        outcomes.read++;
      } catch (error) {
        outcomes.failed++;
        expect(['unavailable', 'corrupt', 'notFound']).toContain(isDriveError(error) ? error.code : error);
      }
    });
    await fc.assert(property, { numRuns: 40, endOnFailure: true });
    expect(outcomes.read).toBeGreaterThan(0);
    expect(outcomes.failed).toBeGreaterThan(0);
  });

  it('completes through errors, lost replies, broken and cut reads when retries are on', async () => {
    const rates = { errorBefore: 0.3, errorAfter: 0.3, broken: 0.1, truncated: 0.1 };
    const { store, faulty, memory } = makeFaulty('retries', rates, true);
    for (const block of blocks) await store.put(framesOf([block]));
    const frames = await collect(store.get(blocks.map(hashBlock)));
    expect(new Set(frames.map(({ hash }) => hash))).toEqual(new Set(blocks.map(hashBlock)));
    expect(await collect(memory.list('packs/'))).toHaveLength(blocks.length);
    expect(faulty.faults).toBeGreaterThan(10);
  });

  it('reads a block again that was damaged on its way', async () => {
    /** Damages every second read. */
    class FlippingStore extends FaultyStore {
      override get(...args: Parameters<FaultyStore['get']>): AsyncGenerator<Uint8Array> {
        this.rates = { flipped: this.rates.flipped === 1 ? 0 : 1 };
        return super.get(...args);
      }
    }
    const environment = { clock: systemClock, randomness: seededRandomness('flips') };
    const objects = new FlippingStore(new MemoryStore(), environment, {});
    const { store } = makeBlockStore({ objects });
    await store.put(framesOf(blocks));
    for (const block of blocks) {
      const [frame] = await collect(store.get([hashBlock(block)]));
      expect(frame !== undefined && block.equals(decodeBlock(frame))).toBe(true);
    }
    expect(objects.faults).toBeGreaterThanOrEqual(blocks.length);
  });

  it('stores nothing twice when a put is sent again after a failure', async () => {
    const { store, faulty, index } = makeFaulty('again', { errorAfter: 1 }, false);
    await expect(store.put(framesOf(blocks))).rejects.toMatchObject({ code: 'unavailable' });
    expect(index.packs.size).toBe(0);
    faulty.rates = {};
    expect(await store.put(framesOf(blocks))).toMatchObject({ storedBlocks: blocks.length });
    expect(await store.put(framesOf(blocks))).toMatchObject({ storedBlocks: 0 });
    expect(await collect(store.get(blocks.map(hashBlock)))).toHaveLength(blocks.length);
  });

  it('says corrupt for damage that stays', async () => {
    const { store, memory } = makeFaulty('stays', {}, false);
    await store.put(framesOf(blocks));
    for await (const { key, byteLength } of memory.list('packs/')) {
      const bytes = Buffer.concat(await collect(memory.get(key)));
      bytes[200] = (bytes[200] ?? 0) ^ 1;
      await memory.delete(key);
      await memory.put(key, bytes);
      expect(byteLength).toBe(bytes.length);
    }
    await expect(collect(store.get(blocks.map(hashBlock)))).rejects.toMatchObject({ code: 'corrupt' });
    expect(await collect(store.get(blocks.slice(1).map(hashBlock)))).toHaveLength(blocks.length - 1);
  });
});
