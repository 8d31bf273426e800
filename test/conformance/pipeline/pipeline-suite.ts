import { afterEach, describe, expect, it } from 'vitest';
import { decodeBlock } from '../../../blockstore/codec.ts';
import { hashBlock } from '../../../blockstore/hash.ts';
import type { BlockPipeline, PlacedBlock } from '../../../mount/sync/block-pipeline.ts';
import { InProcessPipeline } from '../../../mount/sync/block-pipeline.ts';
import { holeHash } from '../../../protocol/manifest.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import { seededBytes, seededText } from '../../unit/blockstore/seeded-bytes.ts';
import { FileSource } from './file-source.ts';

const kib = 1024;
const mib = 1024 * kib;

/** What every pipeline promises, whatever thread it works in. */
export function describePipeline(name: string, make: () => BlockPipeline): void {
  describe(`${name} as a block pipeline`, () => {
    const opened: { close(): Promise<void> }[] = [];
    const keep = <Part extends { close(): Promise<void> }>(part: Part): Part => {
      opened.push(part);
      return part;
    };
    const pipelineOf = () => keep(make());
    const sourceOf = (...args: ConstructorParameters<typeof FileSource>) => keep(new FileSource(...args));

    afterEach(async () => {
      for (const part of opened.splice(0)) await part.close();
    });

    it.each([0, 1, 4 * kib, 32 * kib + 1, 300 * kib, 5 * mib + 17])(
      'cuts %i bytes as the reference does',
      async (size) => {
        const source = sourceOf(seededBytes(`cut ${size}`, size));
        const manifest = await pipelineOf().cut(source, undefined);
        expect(manifest).toEqual(await new InProcessPipeline().cut(source, undefined));
        expect(manifest.entries.reduce((sum, { length }) => sum + length, 0)).toBe(size);
      },
    );

    it.each(['random', 'text'])('frames every block of %s so that it can be decoded', async (kind) => {
      const bytes = (kind === 'random' ? seededBytes : seededText)('frames', 2 * mib);
      const source = sourceOf(bytes);
      const pipeline = pipelineOf();
      const manifest = await pipeline.cut(source, undefined);
      const blocks = placedBlocks(manifest);
      expect(blocks.length).toBeGreaterThan(2);
      const frames = await Promise.all(blocks.map((block) => pipeline.frame(source, block)));
      for (const [index, { hash, offset, length }] of blocks.entries()) {
        const frame = frames[index];
        if (frame === undefined) throw new Error(`block ${index} was not framed`);
        expect(frame).toMatchObject({ hash, length, encoding: kind === 'random' ? 'raw' : 'zstd' });
        expect(Buffer.compare(decodeBlock(frame), bytes.subarray(offset, offset + length))).toBe(0);
      }
    });

    it('reuses what did not change, and hydrates only what it must read', async () => {
      const before = seededBytes('base', 8 * mib);
      const pipeline = pipelineOf();
      const base = await pipeline.cut(sourceOf(before), undefined);
      const after = Buffer.from(before);
      after.fill(7, 100, 200);
      const missing = { start: 64 * kib, end: 8 * mib };
      const near = sourceOf(after, { dirty: [{ start: 100, end: 200 }], missing });
      const manifest = await pipeline.cut(near, base);
      expect(manifest).toEqual(await new InProcessPipeline().cut(sourceOf(after), undefined));
      expect(manifest.entries.at(-1)).toEqual(base.entries.at(-1));
      expect(near.hydrated).toEqual([missing]);
      expect(near.reads).toBeLessThan(16);

      const lateMissing = { start: 7 * mib, end: 8 * mib };
      const far = sourceOf(after, { dirty: [{ start: 100, end: 200 }], missing: lateMissing });
      expect(await pipeline.cut(far, base)).toEqual(manifest);
      expect(far.hydrated).toEqual([]);
    });

    it('frames a block that must be hydrated first', async () => {
      const bytes = seededBytes('missing', 200 * kib);
      const source = sourceOf(bytes, { missing: { start: 0, end: 200 * kib } });
      const block = { hash: hashBlock(bytes), offset: 0, length: bytes.length };
      expect(await pipelineOf().frame(source, block)).toMatchObject({ hash: block.hash, length: block.length });
      expect(source.hydrated).toHaveLength(1);
    });

    it('does not read holes', async () => {
      const bytes = Buffer.concat([
        seededBytes('front', 100 * kib),
        Buffer.alloc(3 * mib),
        seededBytes('end', 100 * kib),
      ]);
      const source = sourceOf(bytes);
      const holeEnd = 100 * kib + 3 * mib;
      source.dataRanges = [
        { start: 0, end: 100 * kib },
        { start: holeEnd, end: bytes.length },
      ];
      const { entries } = await pipelineOf().cut(source, undefined);
      expect(entries.filter(({ hash }) => hash === holeHash)).toEqual([{ hash: holeHash, length: 3 * mib }]);
    });

    it.each([8 * kib, 200 * kib])('frames nothing of %i bytes that changed since they were cut', async (size) => {
      const source = sourceOf(seededBytes('changing', size));
      const pipeline = pipelineOf();
      const [block] = placedBlocks(await pipeline.cut(source, undefined));
      if (block === undefined) throw new Error('nothing was cut');
      source.write(3, Buffer.from('changed'));
      expect(await pipeline.frame(source, block)).toBeUndefined();
      expect(await pipeline.frame(source, { ...block, offset: size })).toBeUndefined();
    });

    it.each([8 * kib, 3 * mib])('says "conflict" when a file of %i bytes shrinks meanwhile', async (size) => {
      const source = sourceOf(seededBytes('shrinking', size));
      source.cutTo(size / 2);
      await expect(pipelineOf().cut(source, undefined)).rejects.toMatchObject({ code: 'conflict' });
    });

    it('does many things at a time', async () => {
      const pipeline = pipelineOf();
      const sizes = Array.from({ length: 40 }, (_, index) => (index % 4 === 0 ? 700 * kib : 3 * kib) + index);
      const sources = sizes.map((size) => sourceOf(seededText(`many ${size}`, size)));
      const manifests = await Promise.all(sources.map((source) => pipeline.cut(source, undefined)));
      const frames = await Promise.all(
        manifests.flatMap((manifest, index) =>
          placedBlocks(manifest).map((block) => pipeline.frame(sources[index] as FileSource, block)),
        ),
      );
      const total = frames.reduce((sum, frame) => sum + (frame === undefined ? 0 : decodeBlock(frame).length), 0);
      expect(total).toBe(sizes.reduce((sum, size) => sum + size, 0));
    });
  });
}

function placedBlocks(manifest: Manifest): PlacedBlock[] {
  let offset = 0;
  return manifest.entries.map(({ hash, length }) => {
    offset += length;
    return { hash, length, offset: offset - length };
  });
}
