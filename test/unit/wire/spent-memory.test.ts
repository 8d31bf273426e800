import { describe, expect, it } from 'vitest';
import { freeBytes, freeingPieces } from '../../../protocol/spent-memory.ts';

const kib = 1024;

describe('freeBytes', () => {
  it('frees memory that only these bytes look at', () => {
    const bytes = Buffer.allocUnsafeSlow(64 * kib);
    freeBytes(bytes);
    expect(bytes.length).toBe(0);
    freeBytes(bytes);
  });

  it('gives the memory back at once, without a collection of garbage', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 200; count += 1) freeBytes(Buffer.allocUnsafeSlow(1024 * kib));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * kib);
  });

  it('lets alone what may have other users: a part of a buffer, what threads share, and what is small', () => {
    const whole = Buffer.alloc(128 * kib, 1);
    const others = [whole.subarray(0, 64 * kib), new Uint8Array(new SharedArrayBuffer(64 * kib)), Buffer.alloc(kib)];
    for (const bytes of others) {
      const { length } = bytes;
      freeBytes(bytes);
      expect(bytes.length).toBe(length);
    }
    expect(whole.every((byte) => byte === 1)).toBe(true);
  });
});

describe('freeingPieces', () => {
  it('frees a piece when the next one is asked for, and not before', async () => {
    const given = [1, 2, 3].map((byte) => Buffer.alloc(64 * kib, byte));
    async function* source() {
      yield* given;
    }
    let index = 0;
    for await (const piece of freeingPieces(source())) {
      expect(piece).toBe(given[index]);
      expect(piece.length).toBe(64 * kib);
      expect(given.slice(0, index).map(({ length }) => length)).toEqual(Array(index).fill(0));
      index += 1;
    }
    expect(given.map(({ length }) => length)).toEqual([0, 0, 0]);
  });
});
