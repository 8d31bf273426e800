import { LRUCache } from 'lru-cache';
import type { BlockHash } from '../../protocol/ids.ts';
import { hashBlock } from '../../blockstore/hash.ts';
import type { ContentFile } from '../content/content-file.ts';
import type { ContentFiles } from '../content/content-files.ts';
import { ManifestMap } from '../content/manifest-map.ts';
import type { LocalTree } from '../replica/local-tree.ts';

interface LocalPlace {
  readonly generation: number;
  readonly offset: number;
}

const blocksMax = 65_536;
/** A block that lies in more files than these is soon found in one that still has it. */
const placesPerBlockMax = 4;

/**
 * Where blocks lie in the content files of this mount, as far as remembered. What it says is a guess: the file may
 * have been changed or evicted since, so what is read there is verified.
 */
export class LocalBlocks {
  readonly #files: ContentFiles;
  readonly #tree: Pick<LocalTree, 'inode' | 'manifest'>;
  /** Newest place first. */
  readonly #places = new LRUCache<BlockHash, readonly LocalPlace[]>({ max: blocksMax });

  constructor(files: ContentFiles, tree: Pick<LocalTree, 'inode' | 'manifest'>) {
    this.#files = files;
    this.#tree = tree;
  }

  remember(hash: BlockHash, { generation }: { readonly generation: number }, offset: number): void {
    const known = this.#places.get(hash) ?? [];
    if (known.some((place) => place.generation === generation && place.offset === offset)) return;
    this.#places.set(hash, [{ generation, offset }, ...known.slice(0, placesPerBlockMax - 1)]);
  }

  /** Remembers all blocks of a file whose map is known, hydrated or not. */
  rememberAll(file: ContentFile): void {
    if (file.map !== undefined) this.#rememberMap(file, file.map);
  }

  /** The block's bytes, verified, if one of the content files still has them. */
  find(hash: BlockHash, length: number): Uint8Array | undefined {
    this.#lookForMore();
    for (const place of this.#places.get(hash) ?? []) {
      const bytes = this.#read(place, hash, length);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }

  #read(place: LocalPlace, hash: BlockHash, length: number): Uint8Array | undefined {
    const file = this.#files.donor(place.generation);
    if (file === undefined) {
      this.#forget(hash, place);
      return undefined;
    }
    try {
      if (!file.isReadable(place.offset, length)) return undefined;
      const bytes = new Uint8Array(length);
      if (file.read(place.offset, bytes) === length && hashBlock(bytes) === hash) return bytes;
      this.#forget(hash, place);
      return undefined;
    } finally {
      this.#files.settleUnheld(file);
    }
  }

  /** Files that were written here and never hydrated, and those of an earlier run. */
  #lookForMore(): void {
    for (const { generation, ino, sourceVersion } of this.#files.takeSettled()) {
      if (this.#tree.inode(ino)?.version !== sourceVersion) continue;
      const manifest = this.#tree.manifest(ino);
      if (manifest !== undefined) this.#rememberMap({ generation }, new ManifestMap(manifest));
    }
  }

  #rememberMap(file: { readonly generation: number }, map: ManifestMap): void {
    for (const { hash, offset } of map.stretches(0, map.size)) if (hash !== null) this.remember(hash, file, offset);
  }

  #forget(hash: BlockHash, place: LocalPlace): void {
    const left = (this.#places.get(hash) ?? []).filter((one) => one !== place);
    if (left.length === 0) this.#places.delete(hash);
    else this.#places.set(hash, left);
  }
}
