import fc from 'fast-check';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ByteRange } from '../../../blockstore/byte-range.ts';
import {
  chunkFile,
  chunkFileSync,
  manifestBlocks,
  rechunkFile,
  rechunkFileSync,
  type ChunkSource,
  type CutBlock,
} from '../../../blockstore/chunk-file.ts';
import { chunkStream } from '../../../blockstore/chunk-stream.ts';
import { hashBlock } from '../../../blockstore/hash.ts';
import { defaultProfile } from '../../../blockstore/profile.ts';
import { checkManifest, holeHash, isHole, manifestSize, type Manifest } from '../../../protocol/manifest.ts';
import { collect } from './make-block-store.ts';
import { seededBytes } from './seeded-bytes.ts';

const kib = 1024;
const mib = 1024 * kib;
const hole = defaultProfile.holeBytesMin;

/** A file in memory that counts what is read of it. */
class MemoryFile implements ChunkSource {
  readonly bytes: Buffer;
  readonly dataRanges: readonly ByteRange[];
  readBytes = 0;
  constructor(bytes: Buffer, dataRanges: readonly ByteRange[] = [{ start: 0, end: bytes.length }]) {
    this.bytes = bytes;
    this.dataRanges = dataRanges;
  }
  get size(): number {
    return this.bytes.length;
  }
  async read(offset: number, length: number): Promise<Uint8Array> {
    this.readBytes += length;
    return this.bytes.subarray(offset, offset + length);
  }
}

/** Whether the manifest describes exactly these bytes, by hashing each stretch. */
function describes(manifest: Manifest, bytes: Buffer): boolean {
  checkManifest(manifest);
  let at = 0;
  for (const entry of manifest.entries) {
    const stretch = bytes.subarray(at, at + entry.length);
    const right = isHole(entry) ? stretch.every((byte) => byte === 0) : hashBlock(stretch) === entry.hash;
    if (!right) return false;
    at += entry.length;
  }
  return at === bytes.length;
}

describe('chunkFile', () => {
  it('gives blocks in order whose bytes are the file, the same as a stream of it does', async () => {
    const file = new MemoryFile(seededBytes('whole', 5 * mib + 1234));
    const blocks: CutBlock[] = [];
    const manifest = await chunkFile(file, async (block) => {
      expect(hashBlock(block.bytes)).toBe(block.hash);
      expect(file.bytes.subarray(block.offset, block.offset + block.length).equals(block.bytes)).toBe(true);
      blocks.push(block);
    });
    expect(manifest.profile).toBe(defaultProfile.name);
    expect(describes(manifest, file.bytes)).toBe(true);
    expect(blocks.map(({ hash, offset, length }) => ({ hash, offset, length }))).toEqual([...manifestBlocks(manifest)]);
    expect(file.readBytes).toBe(file.size);
    async function* pieces() {
      for (let at = 0; at < file.size; at += 100_001) yield file.bytes.subarray(at, at + 100_001);
    }
    const streamed = await collect(chunkStream(pieces()));
    expect(streamed.map(({ hash, length }) => ({ hash, length }))).toEqual(manifest.entries);
    expect(Buffer.concat(streamed.map(({ bytes }) => bytes)).equals(file.bytes)).toBe(true);
  });

  it.each([0, 1, 64 * kib - 1, 64 * kib, 64 * kib + 1])('cuts a file of %i bytes', async (size) => {
    const file = new MemoryFile(seededBytes('small', size));
    const manifest = await chunkFile(file);
    expect(describes(manifest, file.bytes)).toBe(true);
    if (size <= defaultProfile.minBytes) expect(manifest.entries).toHaveLength(Math.min(size, 1));
  });

  it('keeps holes as holes without reading them, and short ones as data', async () => {
    const bytes = Buffer.alloc(10 * mib);
    seededBytes('island', 300 * kib).copy(bytes, 4 * mib);
    const file = new MemoryFile(bytes, [
      { start: 4 * mib, end: 4 * mib + 100 * kib },
      { start: 4 * mib + 100 * kib + hole - 1, end: 4 * mib + 300 * kib },
    ]);
    bytes.fill(0, 4 * mib + 100 * kib, 4 * mib + 100 * kib + hole - 1);
    const manifest = await chunkFile(file);
    expect(describes(manifest, bytes)).toBe(true);
    expect(manifest.entries.at(0)).toEqual({ hash: holeHash, length: 4 * mib });
    expect(manifest.entries.at(-1)).toEqual({ hash: holeHash, length: 6 * mib - 300 * kib });
    expect(manifest.entries.filter(isHole)).toHaveLength(2);
    expect(file.readBytes).toBe(300 * kib);
  });

  it('makes one entry of a file that is one hole, whatever its size', async () => {
    const source: ChunkSource = {
      size: 2 ** 40,
      dataRanges: [],
      read: async () => Promise.reject(new Error('a hole must not be read')),
    };
    expect((await chunkFile(source)).entries).toEqual([{ hash: holeHash, length: 2 ** 40 }]);
  });

  it('says conflict if the file became shorter', async () => {
    const bytes = seededBytes('shrunk', mib);
    const source: ChunkSource = {
      size: 2 * mib,
      dataRanges: [{ start: 0, end: 2 * mib }],
      read: async (offset, length) => bytes.subarray(offset, offset + length),
    };
    await expect(chunkFile(source)).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('rechunkFile', () => {
  it('reads and cuts only around a change', async () => {
    const before = new MemoryFile(seededBytes('large', 40 * mib));
    const base = await chunkFile(before);
    const bytes = Buffer.from(before.bytes);
    seededBytes('change', 4 * kib).copy(bytes, 20 * mib + 77);
    const after = new MemoryFile(bytes);
    const cut: CutBlock[] = [];
    const dirtyRanges = [{ start: 20 * mib + 77, end: 20 * mib + 77 + 4 * kib }];
    const manifest = await rechunkFile(after, { base, dirtyRanges }, (block) => void cut.push(block));
    expect(manifest).toEqual(await chunkFile(new MemoryFile(bytes)));
    expect(cut.length).toBeLessThanOrEqual(4);
    expect(after.readBytes).toBeLessThanOrEqual(4 * mib);
  });

  it('takes over everything if nothing is dirty, without reading', async () => {
    const before = new MemoryFile(seededBytes('same', 5 * mib));
    const base = await chunkFile(before);
    before.readBytes = 0;
    expect(await rechunkFile(before, { base, dirtyRanges: [] })).toEqual(base);
    expect(before.readBytes).toBe(0);
  });

  it('keeps holes of the base that the source cannot know of', async () => {
    const bytes = Buffer.alloc(8 * mib);
    seededBytes('end', mib).copy(bytes, 7 * mib);
    const base = await chunkFile(new MemoryFile(bytes, [{ start: 7 * mib, end: 8 * mib }]));
    bytes[2 * mib] = 1;
    const after = new MemoryFile(bytes); // says that all is data
    const manifest = await rechunkFile(after, { base, dirtyRanges: [{ start: 2 * mib, end: 2 * mib + 1 }] });
    expect(describes(manifest, bytes)).toBe(true);
    expect(manifest.entries.slice(0, 3).map(isHole)).toEqual([true, false, true]);
    expect(manifest.entries[0]?.length).toBe(2 * mib);
  });

  it('cuts all anew on a base of another profile', async () => {
    const file = new MemoryFile(seededBytes('other profile', 3 * mib));
    const manifest = await chunkFile(file);
    const base = { profile: 'gear64-1m-v0', entries: [{ hash: hashBlock(file.bytes), length: file.size }] };
    expect(await rechunkFile(file, { base, dirtyRanges: [] })).toEqual(manifest);
  });

  it('equals a full cut after any writes, punched holes and truncations (property)', async () => {
    const unit = hole;
    const units = 40;
    const edit = fc.oneof(
      fc.record({
        type: fc.constant('write' as const),
        at: fc.nat(units * unit),
        length: fc.integer({ min: 1, max: 3 * unit }),
      }),
      fc.record({
        type: fc.constant('punch' as const),
        at: fc.nat(units).map((n) => n * unit),
        length: fc.constant(2 * unit),
      }),
      fc.record({
        type: fc.constant('truncate' as const),
        at: fc.nat(units * unit + 5 * unit),
        length: fc.constant(0),
      }),
    );
    const islands = fc.array(fc.tuple(fc.nat(units), fc.integer({ min: 1, max: 20 })), { maxLength: 4 });
    const property = fc.asyncProperty(
      fc.nat(1000),
      islands,
      fc.array(edit, { maxLength: 4 }),
      async (seed, placed, edits) => {
        let file = sparseFile(
          units * unit,
          String(seed),
          placed.map(([at, n]) => ({ start: at * unit, end: (at + n) * unit })),
        );
        const base = await chunkFile(new MemoryFile(file.bytes, file.data));
        const dirtyRanges: ByteRange[] = [];
        for (const [index, { type, at, length }] of edits.entries()) {
          if (type === 'truncate') file = truncated(file, at, dirtyRanges);
          else
            file = written(
              file,
              at,
              type === 'write' ? seededBytes(`${seed}/${index}`, length) : Buffer.alloc(length),
              type === 'punch',
            );
          if (type !== 'truncate') dirtyRanges.push({ start: at, end: at + length });
        }
        const after = new MemoryFile(file.bytes, file.data);
        const manifest = await rechunkFile(after, { base, dirtyRanges });
        expect(describes(manifest, file.bytes)).toBe(true);
        expect(manifest).toEqual(await chunkFile(after));
      },
    );
    await fc.assert(property, { numRuns: 60 });
  }, 120_000);
});

interface SparseFile {
  readonly bytes: Buffer;
  readonly data: readonly ByteRange[];
}

function sparseFile(size: number, seed: string, islands: readonly ByteRange[]): SparseFile {
  const bytes = Buffer.alloc(size);
  const data = islands
    .map(({ start, end }) => ({ start, end: Math.min(end, size) }))
    .filter(({ start, end }) => start < end);
  for (const { start, end } of data) seededBytes(`${seed}@${start}`, end - start).copy(bytes, start);
  return { bytes, data };
}

function without(data: readonly ByteRange[], start: number, end: number): ByteRange[] {
  return data
    .flatMap((range) => [
      { start: range.start, end: Math.min(range.end, start) },
      { start: Math.max(range.start, end), end: range.end },
    ])
    .filter((range) => range.start < range.end);
}

function written(file: SparseFile, at: number, content: Buffer, punched: boolean): SparseFile {
  const bytes = Buffer.alloc(Math.max(file.bytes.length, at + content.length));
  file.bytes.copy(bytes);
  content.copy(bytes, at);
  const data = without(file.data, at, at + content.length);
  return { bytes, data: punched ? data : [...data, { start: at, end: at + content.length }] };
}

/** What a truncation cuts off and a later growth brings back as zeros is dirty. */
function truncated(file: SparseFile, size: number, dirtyRanges: ByteRange[]): SparseFile {
  const bytes = Buffer.alloc(size);
  file.bytes.copy(bytes);
  if (size < file.bytes.length) dirtyRanges.push({ start: size, end: file.bytes.length });
  return { bytes, data: without(file.data, size, Infinity) };
}

describe('cutting through a descriptor', () => {
  let directory: string;
  beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'holdfast-chunk-file-'))));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('gives what asynchronous reads give', async () => {
    const bytes = seededBytes('descriptor', 3 * mib);
    const dataRanges = [{ start: 0, end: bytes.length }];
    const path = join(directory, 'file');
    writeFileSync(path, bytes);
    const fd = openSync(path, 'r');
    try {
      const base = chunkFileSync({ fd, size: bytes.length, dataRanges });
      expect(base).toEqual(await chunkFile(new MemoryFile(bytes)));
      bytes[mib] = (bytes[mib] ?? 0) ^ 1;
      writeFileSync(path, bytes);
      const recut = { base, dirtyRanges: [{ start: mib, end: mib + 1 }] };
      const cut: number[] = [];
      const manifest = rechunkFileSync(
        { fd, size: bytes.length, dataRanges },
        recut,
        ({ offset }) => void cut.push(offset),
      );
      expect(manifest).toEqual(await chunkFile(new MemoryFile(bytes)));
      expect(manifestSize(manifest)).toBe(bytes.length);
      expect(cut.length).toBeGreaterThan(0);
      expect(() => chunkFileSync({ fd, size: 4 * mib, dataRanges: [{ start: 0, end: 4 * mib }] })).toThrow(/shorter/);
    } finally {
      closeSync(fd);
    }
  });
});
