import { LRUCache } from 'lru-cache';
import type { BlockHash } from '../../protocol/ids.ts';
import { hashBlock } from '../../blockstore/hash.ts';
import type { ContentFile } from '../content/content-file.ts';
import type { ContentFiles } from '../content/content-files.ts';

interface LocalPlace {
  readonly generation: number;
  readonly offset: number;
}

const placesMax = 65_536;

/**
 * Where blocks lie in the content files of this mount, as far as remembered. What it says is a guess: the file may
 * have been changed or evicted since, so what is read there is verified.
 */
export class LocalBlocks {
  readonly #files: ContentFiles;
  readonly #places = new LRUCache<BlockHash, LocalPlace>({ max: placesMax });

  constructor(files: ContentFiles) {
    this.#files = files;
  }

  remember(hash: BlockHash, file: ContentFile, offset: number): void {
    this.#places.set(hash, { generation: file.generation, offset });
  }

  /** Remembers all blocks of a file whose map is known, hydrated or not. */
  rememberAll(file: ContentFile): void {
    for (const stretch of file.map?.stretches(0, file.size) ?? []) {
      if (stretch.hash !== null) this.remember(stretch.hash, file, stretch.offset);
    }
  }

  /** The block's bytes, verified, if one of the content files still has them. */
  find(hash: BlockHash, length: number): Uint8Array | undefined {
    const place = this.#places.get(hash);
    if (place === undefined) return undefined;
    const file = this.#files.donor(place.generation);
    if (file === undefined) return undefined;
    try {
      if (!file.isReadable(place.offset, length)) return undefined;
      const bytes = new Uint8Array(length);
      if (file.read(place.offset, bytes) === length && hashBlock(bytes) === hash) return bytes;
      this.#places.delete(hash);
      return undefined;
    } finally {
      this.#files.settleUnheld(file);
    }
  }
}
