import type { BlockIndex, BlockLocation, LocatedBlock, PackRecord } from '../../../protocol/block-index.ts';
import type { BlockHash } from '../../../protocol/ids.ts';

/** A block index in memory, by the contract of `BlockIndex`, for tests without a database. */
export class MemoryBlockIndex implements BlockIndex {
  readonly located = new Map<BlockHash, LocatedBlock>();
  readonly packs = new Map<string, PackRecord>();

  async locate(hashes: readonly BlockHash[]): Promise<ReadonlyMap<BlockHash, LocatedBlock>> {
    const found = new Map<BlockHash, LocatedBlock>();
    for (const hash of hashes) {
      const block = this.located.get(hash);
      if (block !== undefined) found.set(hash, block);
    }
    return found;
  }

  async record(pack: PackRecord, blocks: ReadonlyMap<BlockHash, BlockLocation>): Promise<void> {
    if (this.packs.has(pack.pack)) return;
    this.packs.set(pack.pack, pack);
    for (const [hash, location] of blocks) {
      if (!this.located.has(hash)) this.located.set(hash, { ...location, packRecord: pack });
    }
  }

  async keyIds(): Promise<ReadonlySet<string>> {
    return new Set([...this.packs.values()].map(({ keyId }) => keyId));
  }
}
