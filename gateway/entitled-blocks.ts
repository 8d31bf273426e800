import { LRUCache } from 'lru-cache';
import type { BlockHash, InodeId, NamespaceId, Version } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { manifestHashes } from '../protocol/manifest.ts';
import type { Metadata } from '../protocol/metadata.ts';

/** What a hash takes in a set: 64 characters, their header, and the place in the table. */
const hashBytes = 128;
/** Room for the longest manifest there can be, or for some 8,000 of files of 8 MiB. */
const heldBytesMax = (limits.manifestEntriesMax + 1) * hashBytes;

/**
 * The blocks that each version names, as the last readers needed them: a version is read in many requests, and to decode its
 * manifest for each would take time that grows with the square of its length. Versions never change, so nothing here gets stale.
 * It says nothing of who may read a version: ask the metadata first.
 */
export class EntitledBlocks {
  readonly #held = new LRUCache<string, ReadonlySet<BlockHash>>({ maxSize: heldBytesMax });

  /** The distinct blocks of a version. Throws as `metadata.manifest`. */
  async of(
    metadata: Metadata,
    namespace: NamespaceId,
    inode: InodeId,
    version: Version,
  ): Promise<ReadonlySet<BlockHash>> {
    const key = `${namespace}/${inode}/${version}`;
    const held = this.#held.get(key);
    if (held !== undefined) return held;
    const hashes = manifestHashes(await metadata.manifest(namespace, inode, version));
    this.#held.set(key, hashes, { size: (hashes.size + 1) * hashBytes });
    return hashes;
  }
}
