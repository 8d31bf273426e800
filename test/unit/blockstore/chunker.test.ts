import asc from 'assemblyscript/asc';
import fc from 'fast-check';
import { createHash, hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Chunker } from '../../../blockstore/chunker.ts';
import { defaultProfile, profileNamed, type ChunkingProfile } from '../../../blockstore/profile.ts';
import { seededBytes, seededText } from './seeded-bytes.ts';

const root = join(import.meta.dirname, '../../..');

/** Small enough that a few kilobytes have many chunks, and each stage is met. */
const tinyProfile: ChunkingProfile = {
  ...defaultProfile,
  name: 'test-tiny',
  minBytes: 100,
  averageBytes: 256,
  maxBytes: 700,
  strictBits: 9,
  looseBits: 6,
};

/** The chunker's definition, told a second time in plain words and numbers of unlimited size. */
function referenceLengths(bytes: Uint8Array, profile: ChunkingProfile): number[] {
  const gear = Array.from({ length: 256 }, (_, byte) =>
    hash('sha256', Buffer.concat([Buffer.from(profile.gearSeed), Buffer.of(byte)]), 'buffer').readBigUInt64LE(0),
  );
  const lengths: number[] = [];
  for (let start = 0; start < bytes.length;) {
    let length = Math.min(profile.minBytes - 64, bytes.length - start);
    let rolling = 0n;
    while (start + length < bytes.length && length < profile.maxBytes) {
      rolling = BigInt.asUintN(64, (rolling << 1n) + (gear[bytes[start + length] ?? 0] ?? 0n));
      length++;
      const bits = length <= profile.averageBytes ? profile.strictBits : profile.looseBits;
      if (length >= profile.minBytes && rolling >> BigInt(64 - bits) === 0n) break;
    }
    lengths.push(length);
    start += length;
  }
  return lengths;
}

/** Cuts bytes that come in pieces of the given lengths, over and over. */
function cutInPieces(bytes: Uint8Array, pieceLengths: readonly number[], profile = defaultProfile): number[] {
  const chunker = new Chunker(profile);
  const lengths: number[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const piece = bytes.subarray(at, at + (pieceLengths[turn % pieceLengths.length] ?? 1));
    lengths.push(...chunker.push(piece));
    at += piece.length;
  }
  const last = chunker.finish();
  return last > 0 ? [...lengths, last] : lengths;
}

const content = fc
  .tuple(fc.constantFrom(seededBytes, seededText), fc.nat(), fc.nat(20_000))
  .map(([make, seed, length]) => make(String(seed), length));
const pieceLengths = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 5 });

describe('Chunker', () => {
  it('agrees with the plain reference, however the bytes are pieced (property)', () => {
    fc.assert(
      fc.property(content, pieceLengths, (bytes, pieces) => {
        expect(cutInPieces(bytes, pieces, tinyProfile)).toEqual(referenceLengths(bytes, tinyProfile));
      }),
      { numRuns: 200 },
    );
  });

  it('agrees with the plain reference in the default profile', () => {
    const bytes = Buffer.concat([
      seededBytes('reference', 1_500_000),
      Buffer.alloc(1_200_000),
      seededText('text', 500_000),
    ]);
    expect(cutInPieces(bytes, [65_536, 1, 300_007])).toEqual(referenceLengths(bytes, defaultProfile));
  });

  it('finds the same later boundaries from any boundary (property)', () => {
    fc.assert(
      fc.property(content, fc.nat(), (bytes, pick) => {
        const lengths = cutInPieces(bytes, [bytes.length], tinyProfile);
        const from = lengths.length === 0 ? 0 : pick % lengths.length;
        const start = lengths.slice(0, from).reduce((sum, length) => sum + length, 0);
        expect(cutInPieces(bytes.subarray(start), [777], tinyProfile)).toEqual(lengths.slice(from));
      }),
    );
  });

  it('keeps lengths within the profile, around its average', () => {
    const lengths = cutInPieces(seededBytes('average', 64 << 20), [1 << 20]);
    for (const length of lengths.slice(0, -1)) {
      expect(length).toBeGreaterThanOrEqual(defaultProfile.minBytes);
      expect(length).toBeLessThanOrEqual(defaultProfile.maxBytes);
    }
    const average = (64 << 20) / lengths.length;
    expect(average / defaultProfile.averageBytes).toBeGreaterThan(0.9);
    expect(average / defaultProfile.averageBytes).toBeLessThan(1.3);
  });

  it('loses few boundaries to a byte inserted at the front', () => {
    const bytes = seededBytes('insert', 16 << 20);
    const boundariesFromEnd = (input: Uint8Array) => {
      let at = input.length;
      return new Set(cutInPieces(input, [1 << 20]).map((length) => (at -= length)));
    };
    const before = boundariesFromEnd(bytes);
    const after = boundariesFromEnd(Buffer.concat([Buffer.of(1), bytes]));
    expect([...before].filter((boundary) => !after.has(boundary)).length).toBeLessThanOrEqual(3);
  });
});

describe('profile gear64-256k-v1, for ever', () => {
  // Golden vectors: should one of these fail, the chunker has changed and would find nothing of what is stored.
  const profile = profileNamed('gear64-256k-v1');

  it('is the default and has its parameters', () => {
    expect(profile).toBe(defaultProfile);
    expect(profile).toMatchObject({
      minBytes: 65_536,
      averageBytes: 262_144,
      maxBytes: 1_048_576,
      strictBits: 20,
      looseBits: 16,
    });
  });

  it('cuts random bytes where it always did', () => {
    const lengths = cutInPieces(seededBytes('golden', 8 << 20), [1 << 20]);
    expect(lengths).toEqual([
      275210, 299204, 72365, 381403, 289087, 429573, 74259, 291708, 269836, 346239, 70806, 317259, 265237, 313198,
      273077, 141960, 277267, 266976, 265962, 286404, 277978, 263956, 86932, 351545, 534498, 70433, 347139, 345200,
      287162, 270027, 346708,
    ]);
    const more = cutInPieces(seededBytes('golden more', 128 << 20), [1 << 20]);
    expect(createHash('sha256').update(more.join()).digest('hex')).toBe(
      'be067d22125e578366a5eec0d99d2ecdf78335fb53b066df7dcb55ca72617c57',
    );
  });

  it('cuts zeros at the maximum', () => {
    expect(cutInPieces(Buffer.alloc(2_500_000), [1 << 20])).toEqual([1_048_576, 1_048_576, 402_848]);
  });

  it('says unsupported for a profile it does not know', () => {
    expect(() => profileNamed('gear64-256k-v9')).toThrow(expect.objectContaining({ code: 'unsupported' }) as Error);
  });
});

describe('gear.wasm', () => {
  it('is what its source compiles to, byte for byte', async () => {
    let binary: Uint8Array | undefined;
    const { error } = await asc.main(
      ['blockstore/assembly/gear.ts', '-O3', '--runtime', 'stub', '--noAssert', '-o', 'blockstore/gear.wasm'],
      {
        readFile: (name, base) => {
          try {
            return readFileSync(join(base, name), 'utf8');
          } catch {
            return null; // how the compiler is told that there is no such file
          }
        },
        writeFile: (_name, contents) => {
          if (typeof contents !== 'string') binary = contents;
        },
      },
    );
    expect(error).toBeNull();
    expect(Buffer.from(binary ?? []).equals(readFileSync(join(root, 'blockstore/gear.wasm')))).toBe(true);
  }, 60_000);
});

describe('Chunker in a worker thread', () => {
  it('cuts as in the main thread', async () => {
    const script = `
      const { parentPort, workerData } = await import('node:worker_threads');
      const { Chunker } = await import(workerData.chunker);
      const { defaultProfile } = await import(workerData.profile);
      const chunker = new Chunker(defaultProfile);
      parentPort.postMessage([...chunker.push(workerData.bytes), chunker.finish()]);`;
    const bytes = seededBytes('worker', 3_000_000);
    const urlOf = (name: string) => new URL(`../../../blockstore/${name}`, import.meta.url).href;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
      workerData: { chunker: urlOf('chunker.ts'), profile: urlOf('profile.ts'), bytes },
    });
    const lengths = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
    expect(lengths).toEqual(cutInPieces(bytes, [1 << 20]));
  });
});
