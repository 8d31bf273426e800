import fc from 'fast-check';
import { constants, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock, HashedBlock, verifyBlock } from '../../../blockstore/codec.ts';
import { hashBlock } from '../../../blockstore/hash.ts';
import { limits } from '../../../protocol/limits.ts';
import { frameOf } from './make-block-store.ts';
import { seededBytes, seededText } from './seeded-bytes.ts';

function times(count: number, work: () => void): void {
  for (let index = 0; index < count; index += 1) work();
}

/** By how many bytes `work` lets memory outside of V8's heap grow. */
function growthOf(work: () => void): number {
  const before = process.memoryUsage().arrayBuffers;
  work();
  return process.memoryUsage().arrayBuffers - before;
}

describe('block codec', () => {
  it('leaves no memory behind that it worked in, whether a block can be compressed or not', () => {
    const length = 512 * 1024;
    for (const plaintext of [seededBytes('noise', length), seededText('words', length)]) {
      const frame = frameOf(plaintext);
      const own = frame.encoding === 'zstd' ? frame.bytes.length : 0;
      const count = 20;
      expect(growthOf(() => times(count, () => encodeBlock(frame.hash, plaintext)))).toBeLessThan(count * own + length);
      expect(growthOf(() => times(count, () => verifyBlock(frame)))).toBeLessThan(length);
    }
  });

  it('gives back every plaintext (property)', () => {
    const plaintext = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 5_000 }),
      fc
        .tuple(fc.nat(), fc.integer({ min: 1, max: limits.blockBytesMax }))
        .map(([seed, n]) => seededText(`${seed}`, n)),
    );
    fc.assert(
      fc.property(plaintext, (bytes) => {
        expect(Buffer.from(decodeBlock(frameOf(bytes))).equals(bytes)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('compresses what gets smaller and leaves the rest as it is', () => {
    expect(frameOf(seededText('text', 100_000))).toMatchObject({ encoding: 'zstd', length: 100_000 });
    const random = seededBytes('random', 100_000);
    const frame = frameOf(random);
    expect(frame.encoding).toBe('raw');
    expect(frame.bytes).toBe(random);
  });

  it('takes frames made here on trust, and no others, not even copies of them', () => {
    const block = new HashedBlock(seededText('ours', 1000));
    const frame = block.encode();
    verifyBlock(frame);
    verifyBlock({ ...frame });
    const wrong = { ...frame, hash: hashBlock(seededText('theirs', 1000)) };
    expect(() => verifyBlock(wrong)).toThrow(expect.objectContaining({ code: 'corrupt' }));
    expect(Buffer.from(decodeBlock(frame)).equals(block.plaintext)).toBe(true);
  });

  it('finds every changed bit of a small frame', () => {
    for (const frame of [frameOf(seededText('bits', 300)), frameOf(seededBytes('bits', 60))]) {
      for (let bit = 0; bit < frame.bytes.length * 8; bit++) {
        const bytes = Uint8Array.from(frame.bytes);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        // A bit that does not change the plaintext (unused ones of zstd's headers) does no harm.
        let plaintext: Uint8Array | undefined;
        try {
          plaintext = decodeBlock({ ...frame, bytes });
        } catch (error) {
          expect(error).toMatchObject({ code: 'corrupt' });
        }
        if (plaintext !== undefined) expect(hashBlock(plaintext)).toBe(frame.hash);
      }
    }
  });

  it('says corrupt for a wrong hash, a wrong length and cut bytes', () => {
    const frame = frameOf(seededText('wrong', 10_000));
    const corrupt = expect.objectContaining({ code: 'corrupt' }) as Error;
    expect(() => decodeBlock({ ...frame, hash: hashBlock(Buffer.from('x')) })).toThrow(corrupt);
    expect(() => decodeBlock({ ...frame, length: 9_999 })).toThrow(corrupt);
    expect(() => decodeBlock({ ...frame, length: 10_001 })).toThrow(corrupt);
    expect(() => decodeBlock({ ...frame, bytes: frame.bytes.subarray(0, 50) })).toThrow(corrupt);
    expect(() => decodeBlock({ ...frame, bytes: new Uint8Array(0) })).toThrow(corrupt);
  });

  it('refuses lengths and sizes that no encoder makes', () => {
    const frame = frameOf(seededBytes('sizes', 1_000));
    const invalid = expect.objectContaining({ code: 'invalidArgument' }) as Error;
    for (const length of [0, -1, 0.5, NaN, 999, 1001]) expect(() => decodeBlock({ ...frame, length })).toThrow(invalid);
    expect(() => decodeBlock({ ...frame, encoding: 'zstd' })).toThrow(invalid);
    const large = new Uint8Array(limits.blockBytesMax + 1);
    const tooLarge = expect.objectContaining({ code: 'tooLarge' }) as Error;
    expect(() => encodeBlock(hashBlock(large), large)).toThrow(tooLarge);
    expect(() => decodeBlock({ hash: hashBlock(large), length: large.length, encoding: 'raw', bytes: large })).toThrow(
      tooLarge,
    );
  });

  it('stops a bomb at the length it claims', () => {
    const zeros = Buffer.alloc(256 * 1024 * 1024);
    const bytes = zstdCompressSync(zeros, { params: { [constants.ZSTD_c_windowLog]: 20 } });
    const before = process.memoryUsage.rss();
    const bomb = { hash: hashBlock(zeros), length: limits.blockBytesMax, encoding: 'zstd' as const, bytes };
    expect(() => decodeBlock(bomb)).toThrow(expect.objectContaining({ code: 'corrupt' }) as Error);
    expect(process.memoryUsage.rss() - before).toBeLessThan(16 * 1024 * 1024);
  });

  it('refuses a frame that wants a larger window than a block can have', () => {
    const plaintext = Buffer.alloc(60_000, 7);
    // RFC 8878 §3.1.1: magic, a descriptor without content size, the window's exponent over 2^10, one RLE block.
    const frameWithWindow = (windowLog: number) => {
      const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3, 0, 0, 0, 7]);
      header.writeUIntLE((plaintext.length << 3) | 0b011, 6, 3);
      return { hash: hashBlock(plaintext), length: plaintext.length, encoding: 'zstd' as const, bytes: header };
    };
    expect(plaintext.equals(decodeBlock(frameWithWindow(20)))).toBe(true);
    for (const windowLog of [21, 27, 31, 41]) {
      expect(() => decodeBlock(frameWithWindow(windowLog))).toThrow(
        expect.objectContaining({ code: 'corrupt' }) as Error,
      );
    }
  });
});
