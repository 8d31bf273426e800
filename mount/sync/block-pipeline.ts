import type { BlockFrame } from '../../protocol/block-service.ts';
import { chunkFile, rechunkFile } from '../../blockstore/chunk-file.ts';
import { encodeBlock } from '../../blockstore/codec.ts';
import { hashBlock } from '../../blockstore/hash.ts';
import type { BlockHash } from '../../protocol/ids.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { DrainSource } from '../content/content-store.ts';

/** A block of a file and where it stands there. */
export interface PlacedBlock {
  readonly hash: BlockHash;
  readonly offset: number;
  readonly length: number;
}

/** Turns file contents into manifests and frames. Where it computes is its own matter. */
export interface BlockPipeline {
  /** Cuts the source as it is now, reusing of `base` what did not change. Throws `conflict` if it shrinks meanwhile. */
  cut(source: DrainSource, base: Manifest | undefined): Promise<Manifest>;
  /** One block, framed; `undefined` if the file holds other bytes there by now. */
  frame(source: DrainSource, block: PlacedBlock): Promise<BlockFrame | undefined>;
  close(): Promise<void>;
}

/** Cuts and frames in the caller's own thread: for tests, and for files so small that a trip to another thread costs more. */
export class InProcessPipeline implements BlockPipeline {
  async cut(source: DrainSource, base: Manifest | undefined): Promise<Manifest> {
    if (base === undefined || base.entries.length === 0) return chunkFile(source);
    return rechunkFile(source, { base, dirtyRanges: source.dirtyRanges });
  }

  async frame(source: DrainSource, block: PlacedBlock): Promise<BlockFrame | undefined> {
    if (block.offset + block.length > source.size) return undefined;
    const bytes = await source.read(block.offset, block.length);
    return hashBlock(bytes) === block.hash ? encodeBlock(block.hash, bytes) : undefined;
  }

  async close(): Promise<void> {}
}
