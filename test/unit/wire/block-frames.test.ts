import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BlockFrame } from '../../../protocol/block-service.ts';
import { DriveError } from '../../../protocol/errors.ts';
import type { BlockHash } from '../../../protocol/ids.ts';
import { limits } from '../../../protocol/limits.ts';
import {
  decodeBlockFrames,
  encodeBlockFrames,
  encodeBlockFramesOrError,
  endFrameBytes,
  frameBytes,
} from '../../../protocol/wire/block-frames.ts';
import { collectAll, stream } from '../../gateway/tree-values.ts';

const options = { bytesMax: 2 ** 26, framesMax: 1000, truncatedCode: 'invalidArgument' } as const;

const frames: fc.Arbitrary<BlockFrame> = fc
  .record({
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 400 }),
    extra: fc.integer({ min: 0, max: 1000 }),
  })
  .map(({ hash, bytes, extra }) => ({
    hash: Buffer.from(hash).toString('hex') as BlockHash,
    length: bytes.length + extra,
    encoding: extra === 0 ? 'raw' : 'zstd',
    bytes,
  }));

/** Cuts `bytes` at the given places, empty pieces included. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

async function encoded(list: readonly BlockFrame[]): Promise<Buffer> {
  return Buffer.concat(await collectAll(encodeBlockFrames(list)));
}

function decode(...parts: readonly Uint8Array[]): Promise<BlockFrame[]> {
  return collectAll(decodeBlockFrames(stream(parts), options));
}

const plain = (list: readonly BlockFrame[]) => list.map((frame) => ({ ...frame, bytes: [...frame.bytes] }));

describe('block frames', () => {
  test('come back as they went, in whatever pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(frames, { maxLength: 8 }), fc.array(fc.nat()), async (list, cuts) => {
        const bytes = await encoded(list);
        expect(bytes.length).toBe(list.reduce((sum, frame) => sum + frameBytes(frame), endFrameBytes));
        expect(plain(await decode(...pieces(bytes, cuts)))).toEqual(plain(list));
      }),
    );
  });

  test('cut anywhere are never taken for whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(frames, { maxLength: 4 }), fc.nat(), fc.nat(), async (list, cut, piece) => {
        const bytes = await encoded(list);
        const kept = bytes.subarray(0, cut % bytes.length);
        await expect(decode(...pieces(kept, [piece]))).rejects.toMatchObject({
          code: 'invalidArgument',
          message: `the stream of blocks was cut off after ${kept.length} bytes`,
        });
      }),
    );
  });

  test('of garbage give an error of the closed set, or nothing but frames', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), fc.array(fc.nat()), async (bytes, cuts) => {
        const result = await decode(...pieces(bytes, cuts)).catch((error: unknown) => error);
        if (Array.isArray(result)) expect(await encoded(result as BlockFrame[])).toEqual(Buffer.from(bytes));
        else expect(result).toBeInstanceOf(DriveError);
      }),
    );
  });

  test('with one byte changed give an error or other frames, never more', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(frames, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        fc.nat(254),
        async (list, at, add) => {
          const bytes = await encoded(list);
          const index = at % bytes.length;
          bytes[index] = ((bytes[index] ?? 0) + 1 + add) % 256;
          const result = await decode(bytes).catch((error: unknown) => error);
          if (Array.isArray(result)) {
            expect(result).toHaveLength(list.length);
            expect(await encoded(result as BlockFrame[])).toEqual(bytes);
          } else expect(result).toBeInstanceOf(DriveError);
        },
      ),
    );
  });

  const hash = 'ab'.repeat(32) as BlockHash;
  const raw = (length: number): BlockFrame => ({ hash, length, encoding: 'raw', bytes: new Uint8Array(length) });

  test('after the end are refused', async () => {
    const bytes = await encoded([raw(3)]);
    await expect(decode(bytes, Buffer.from([1]))).rejects.toMatchObject({
      code: 'invalidArgument',
      message: expect.stringContaining('bytes after the end') as string,
    });
  });

  test('with lengths that cannot be are refused before memory is taken for them', async () => {
    const bytes = await encoded([raw(3)]);
    bytes.writeUInt32LE(limits.blockBytesMax + 1, 33);
    await expect(decode(bytes)).rejects.toMatchObject({ code: 'tooLarge' });
    bytes.writeUInt32LE(3, 33);
    bytes.writeUInt32LE(0xffff_ffff, 37);
    await expect(decode(bytes)).rejects.toMatchObject({ code: 'invalidArgument' });
    bytes.writeUInt32LE(0, 33);
    bytes.writeUInt32LE(0, 37);
    await expect(decode(bytes)).rejects.toMatchObject({ code: 'invalidArgument' });
  });

  test('beyond a limit of the stream are refused', async () => {
    const bytes = await encoded([raw(3), raw(4)]);
    const limited = (limit: object) => collectAll(decodeBlockFrames(stream([bytes]), { ...options, ...limit }));
    await expect(limited({ framesMax: 1 })).rejects.toMatchObject({ code: 'tooLarge' });
    await expect(limited({ bytesMax: 60 })).rejects.toMatchObject({ code: 'tooLarge' });
    expect(await limited({ framesMax: 2, bytesMax: bytes.length })).toHaveLength(2);
  });

  test('carry the error of their source to the other side', async () => {
    async function* failing() {
      yield raw(5);
      throw new DriveError('corrupt', 'a pack is damaged');
    }
    const seen: DriveError[] = [];
    const bytes = await collectAll(encodeBlockFramesOrError(failing(), (error) => seen.push(error)));
    const got: BlockFrame[] = [];
    const read = async () => {
      for await (const frame of decodeBlockFrames(stream(bytes), options)) got.push(frame);
    };
    await expect(read()).rejects.toMatchObject({ code: 'corrupt', message: 'a pack is damaged' });
    expect(got).toHaveLength(1);
    expect(seen).toHaveLength(1);
  });

  test('let go of their source when their reader stops', async () => {
    let released = false;
    async function* source() {
      try {
        yield await encoded([raw(3), raw(3)]);
        yield new Uint8Array();
      } finally {
        released = true;
      }
    }
    for await (const frame of decodeBlockFrames(source(), options)) {
      expect(frame.length).toBe(3);
      break;
    }
    expect(released).toBe(true);
  });
});
