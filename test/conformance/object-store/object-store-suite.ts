import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectStore, ObjectStream } from '../../../blockstore/object-store.ts';
import { seededBytes } from '../../unit/blockstore/seeded-bytes.ts';
import { collect } from '../../unit/blockstore/make-block-store.ts';

/** A store under test and how to get rid of it. */
export interface StoreUnderTest {
  readonly store: ObjectStore;
  dispose(): Promise<void>;
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await collect(pieces));
}

/** A stream in pieces of `pieceBytes`; `given` bytes of it come whatever it announces. */
function streamOf(bytes: Uint8Array, pieceBytes: number, announced = bytes.length): ObjectStream {
  return {
    byteLength: announced,
    async *open() {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    },
  };
}

const badKeys = [
  '',
  '/',
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  'a/../b',
  '.hidden',
  'a/.b',
  'A',
  'a b',
  'ä',
  'a~b',
  'a\0',
  'a'.repeat(201),
];

/** What every object store promises (`blockstore/object-store.ts`). */
export function describeObjectStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let under: StoreUnderTest;
    let store: ObjectStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(async () => under?.dispose());

    it.each([0, 1, 5, 65_536, 1_048_577, 17 * 1024 * 1024])('gives back an object of %i bytes', async (length) => {
      const key = `round-trip/${length}`;
      const bytes = seededBytes(key, length);
      await store.put(key, bytes);
      expect(await store.head(key)).toEqual({ key, byteLength: length });
      expect(bytes.equals(await bytesOf(store.get(key)))).toBe(true);
    });

    it('takes a stream in pieces of any size', async () => {
      const bytes = seededBytes('stream', 300_000);
      for (const pieceBytes of [999, 70_000, 300_000]) {
        await store.put(`stream/${pieceBytes}`, streamOf(bytes, pieceBytes));
        expect(bytes.equals(await bytesOf(store.get(`stream/${pieceBytes}`)))).toBe(true);
      }
      await store.put('stream/empty', streamOf(Buffer.alloc(0), 1));
      expect(await bytesOf(store.get('stream/empty'))).toHaveLength(0);
    });

    it('gives ranges, to the last byte and not beyond', async () => {
      const bytes = seededBytes('ranges', 200_000);
      await store.put('ranges', bytes);
      for (const [offset, length] of [
        [0, 1],
        [0, 200_000],
        [199_999, 1],
        [65_535, 2],
        [1000, 150_000],
      ] as const) {
        const given = await bytesOf(store.get('ranges', { offset, length }));
        expect(given.equals(bytes.subarray(offset, offset + length))).toBe(true);
      }
      for (const [offset, length] of [
        [200_000, 1],
        [199_999, 2],
        [0, 200_001],
        [-1, 2],
        [0, 0],
        [0.5, 1],
        [0, -1],
        [300_000, 5],
      ] as const) {
        const given = bytesOf(store.get('ranges', { offset, length }));
        await expect(given, `${offset}+${length}`).rejects.toMatchObject({ code: 'invalidArgument' });
      }
    });

    it('says notFound for an absent object, and deletes it gladly', async () => {
      await expect(store.head('absent')).rejects.toMatchObject({ code: 'notFound' });
      await expect(bytesOf(store.get('absent'))).rejects.toMatchObject({ code: 'notFound' });
      await expect(bytesOf(store.get('absent', { offset: 0, length: 1 }))).rejects.toMatchObject({ code: 'notFound' });
      await store.delete('absent');
    });

    it('deletes', async () => {
      await store.put('deleted', Buffer.from('x'));
      await store.delete('deleted');
      await expect(store.head('deleted')).rejects.toMatchObject({ code: 'notFound' });
      expect(await collect(store.list('deleted'))).toEqual([]);
    });

    it('keeps an object that is put again, and refuses another length under its key', async () => {
      await store.put('again', Buffer.from('first'));
      await store.put('again', Buffer.from('first'));
      await expect(store.put('again', Buffer.from('longer one'))).rejects.toMatchObject({ code: 'exists' });
      expect((await bytesOf(store.get('again'))).toString()).toBe('first');
    });

    it('lets many put one object at once', async () => {
      const bytes = seededBytes('race', 500_000);
      await Promise.all(Array.from({ length: 16 }, () => store.put('race', streamOf(bytes, 50_000))));
      expect(bytes.equals(await bytesOf(store.get('race')))).toBe(true);
      expect(await collect(store.list('race'))).toEqual([{ key: 'race', byteLength: 500_000 }]);
    });

    it('lists by any beginning of keys, a key being the beginning of another included', async () => {
      const keys = ['list/a', 'list/a/b', 'list/ab', 'list/b', 'list-other'];
      for (const key of keys) await store.put(key, Buffer.from(key));
      const listed = async (prefix: string) => (await collect(store.list(prefix))).map(({ key }) => key).sort();
      expect(await listed('list/')).toEqual(['list/a', 'list/a/b', 'list/ab', 'list/b']);
      expect(await listed('list/a')).toEqual(['list/a', 'list/a/b', 'list/ab']);
      expect(await listed('list')).toEqual([...keys].sort());
      expect(await listed('list/c')).toEqual([]);
      expect(await listed('')).toEqual(expect.arrayContaining(keys));
    });

    it('lists each object once, also one that is deleted and put again meanwhile', async () => {
      for (const name of ['a', 'b', 'c']) await store.put(`again/${name}`, Buffer.from('x'));
      const listed: string[] = [];
      for await (const { key } of store.list('again/')) {
        listed.push(key);
        await store.delete(key);
        await store.put(key, Buffer.from('x'));
      }
      expect(listed.sort()).toEqual(['again/a', 'again/b', 'again/c']);
    });

    it('lists more than a page of objects', async () => {
      const keys = Array.from({ length: 1_100 }, (_, index) => `many/${index}`);
      const left = [...keys];
      const worker = async () => {
        for (let key = left.pop(); key !== undefined; key = left.pop()) await store.put(key, Buffer.from('.'));
      };
      await Promise.all(Array.from({ length: 16 }, worker));
      const listed = (await collect(store.list('many/'))).map(({ key }) => key);
      expect(listed.sort()).toEqual([...keys].sort());
    }, 60_000);

    it('stores nothing of a body that fails, or is not as long as announced', async () => {
      const bytes = seededBytes('short', 100_000);
      const broken: ObjectStream = {
        byteLength: 100_000,
        async *open() {
          yield bytes.subarray(0, 60_000);
          throw new Error('the source failed');
        },
      };
      await expect(store.put('failing/broken', broken)).rejects.toThrow();
      for (const announced of [99_999, 100_001]) {
        const put = store.put(`failing/${announced}`, streamOf(bytes, 30_000, announced));
        await expect(put).rejects.toMatchObject({ code: 'invalidArgument' });
      }
      expect(await collect(store.list('failing/'))).toEqual([]);
    });

    it('refuses keys that are none', async () => {
      for (const key of badKeys) {
        const refused = { code: 'invalidArgument' };
        await expect(store.put(key, Buffer.from('x')), key).rejects.toMatchObject(refused);
        await expect(store.head(key), key).rejects.toMatchObject(refused);
        await expect(store.delete(key), key).rejects.toMatchObject(refused);
        await expect(bytesOf(store.get(key)), key).rejects.toMatchObject(refused);
      }
      await expect(collect(store.list('../'))).resolves.toEqual([]);
      await expect(collect(store.list('Ä'))).rejects.toMatchObject({ code: 'invalidArgument' });
    });

    it('heeds a signal, before and in the middle', async () => {
      const bytes = seededBytes('signal', 2_000_000);
      await store.put('signal', bytes);
      const cancelled = { code: 'cancelled' };
      const aborted = AbortSignal.abort();
      await expect(store.put('signal/put', bytes, aborted)).rejects.toMatchObject(cancelled);
      await expect(store.head('signal', aborted)).rejects.toMatchObject(cancelled);
      await expect(store.delete('signal', aborted)).rejects.toMatchObject(cancelled);
      await expect(bytesOf(store.get('signal', undefined, aborted))).rejects.toMatchObject(cancelled);
      await expect(collect(store.list('', aborted))).rejects.toMatchObject(cancelled);

      const reading = new AbortController();
      const pieces = store.get('signal', undefined, reading.signal)[Symbol.asyncIterator]();
      await pieces.next();
      reading.abort();
      const rest = async () => {
        while ((await pieces.next()).done !== true);
      };
      await expect(rest()).rejects.toMatchObject(cancelled);

      const writing = new AbortController();
      const stalling: ObjectStream = {
        byteLength: bytes.length,
        async *open() {
          yield bytes.subarray(0, 1_000_000);
          writing.abort();
          yield bytes.subarray(1_000_000);
        },
      };
      await expect(store.put('signal/put', stalling, writing.signal)).rejects.toMatchObject(cancelled);
      expect(await collect(store.list('signal/'))).toEqual([]);
    });

    it('lets a reader leave early', async () => {
      await store.put('early', seededBytes('early', 3_000_000));
      for (let round = 0; round < 20; round++) {
        for await (const piece of store.get('early')) {
          expect(piece.length).toBeGreaterThan(0);
          break;
        }
      }
    });
  });
}
