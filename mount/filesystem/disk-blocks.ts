import { LRUCache } from 'lru-cache';
import { isHole } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { Version } from '../../protocol/ids.ts';
import type { ContentFile } from '../content/content-file.ts';
import type { ContentFiles } from '../content/content-files.ts';
import type { Ino, LocalInode } from '../replica/local-inode.ts';
import type { LocalTree } from '../replica/local-tree.ts';

/** The unit of `st_blocks`, stat(2). */
const statBlockBytes = 512;
/** What disks give space in. */
const clusterBytes = 4096;
/** Smaller files are counted by their size: no hole in them is worth a look. */
const sizeBytesMin = 64 * 1024;
const versionsMax = 10_000;

/**
 * How much space files take, for `du` and for programs that copy only where there is data: holes count for nothing. A
 * file that is not on the local disk counts as it would there.
 */
export class DiskBlocks {
  readonly #tree: Pick<LocalTree, 'manifest'>;
  readonly #files: Pick<ContentFiles, 'open' | 'close'>;
  /** Bytes of data in committed versions: a manifest takes long to read. */
  readonly #committed = new LRUCache<Ino, { readonly version: Version; readonly bytes: number }>({ max: versionsMax });

  constructor(tree: Pick<LocalTree, 'manifest'>, files: Pick<ContentFiles, 'open' | 'close'>) {
    this.#tree = tree;
    this.#files = files;
  }

  /** In units of 512 bytes; `undefined`: as many as the size fills. `content` is what is open of the file. */
  of(inode: LocalInode, content: ContentFile | undefined): number | undefined {
    const size = content?.size ?? inode.size;
    if (inode.kind !== 'file' || size < sizeBytesMin) return undefined;
    const bytes = Math.min(size, this.#dataBytes(inode, content) ?? size);
    return Math.ceil(bytes / clusterBytes) * (clusterBytes / statBlockBytes);
  }

  #dataBytes(inode: LocalInode, content: ContentFile | undefined): number | undefined {
    if (content !== undefined) return bytesOfContent(content);
    if (!inode.contentDirty) return this.#committedBytes(inode);
    const file = this.#files.open(inode.ino);
    try {
      return bytesOfContent(file);
    } finally {
      this.#files.close(file);
    }
  }

  #committedBytes({ ino, version }: LocalInode): number | undefined {
    const known = this.#committed.get(ino);
    if (known?.version === version) return known.bytes;
    const manifest = this.#tree.manifest(ino);
    if (manifest === undefined) return undefined;
    const bytes = bytesOfManifest(manifest);
    this.#committed.set(ino, { version, bytes });
    return bytes;
  }
}

/** What is all here the disk can tell of; of the rest the manifest can, once it is known. */
function bytesOfContent(content: ContentFile): number | undefined {
  if (!content.isHydrated) return content.map && bytesOfManifest(content.map.manifest);
  content.measure('ifWritten');
  return content.localBytes;
}

function bytesOfManifest(manifest: Manifest): number {
  return manifest.entries.reduce((sum, entry) => sum + (isHole(entry) ? 0 : entry.length), 0);
}
