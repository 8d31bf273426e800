import { decodeBlock } from '../../blockstore/codec.ts';
import type { DrainableContent, DrainSource } from '../../mount/content/content-store.ts';
import { RangeSet } from '../../mount/content/range-set.ts';
import type { Ino } from '../../mount/replica/local-inode.ts';
import type { Replica } from '../../mount/replica/replica.ts';
import type { ContentMove } from '../../mount/replica/synced-tree.ts';
import type { BlockService } from '../../protocol/block-service.ts';
import type { InodeId, NamespaceId, Version } from '../../protocol/ids.ts';
import { isHole } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { Metadata } from '../../protocol/metadata.ts';

/** The bytes of one file as far as they are here: what is written, over a version of which the rest is fetched. */
export interface SimulatedFile {
  bytes: Buffer;
  dirty: RangeSet;
  source: { inode: InodeId; version: Version } | undefined;
  /** Where `bytes` holds the file's bytes. */
  present: RangeSet;
  sequence: number;
}

export interface SimulatedContentOptions {
  readonly replica: Replica;
  readonly namespace: NamespaceId;
  readonly metadata: Pick<Metadata, 'manifest'>;
  readonly blocks: Pick<BlockService, 'get'>;
  /** What an earlier life left on the disk. */
  readonly files: Map<Ino, SimulatedFile>;
  /** Files that lost their last name since the local database was last committed, or before. */
  readonly forgotten: Map<Ino, SimulatedFile>;
  readonly onDrained: (ino: Ino) => void;
}

/** Content files in memory: partial, hydrated from the server, and kept over a kill as the page cache keeps them. */
export class SimulatedContent implements DrainableContent {
  readonly #options: SimulatedContentOptions;
  readonly #files: Map<Ino, SimulatedFile>;

  constructor(options: SimulatedContentOptions) {
    this.#options = options;
    this.#files = options.files;
  }

  /** Brings what an earlier life left in line with the tree, as the real content layer does after a kill. */
  recover(nowNs: () => bigint): void {
    const { replica, forgotten } = this.#options;
    for (const [ino, file] of forgotten) if (!this.#files.has(ino)) this.#files.set(ino, file);
    forgotten.clear();
    for (const [ino, file] of this.#files) {
      const inode = replica.inode(ino);
      if (inode === undefined) this.#files.delete(ino);
      else if (file.sequence > replica.contentSequence(ino)) {
        replica.contentChanged(ino, file.bytes.length, nowNs());
        file.sequence = replica.contentSequence(ino);
      } else if (!inode.contentDirty) this.#files.delete(ino);
    }
  }

  file(ino: Ino): SimulatedFile | undefined {
    return this.#files.get(ino);
  }

  /** Writes in place, as much of the file as is given; bytes that are not here stay where they are. */
  write(ino: Ino, offset: number, data: Uint8Array, nowNs: bigint): void {
    const file = this.#open(ino);
    this.#resize(file, Math.max(file.bytes.length, offset + data.length));
    file.bytes.set(data, offset);
    this.#dirtied(ino, file, offset, offset + data.length, nowNs);
  }

  truncate(ino: Ino, size: number, nowNs: bigint): void {
    const file = this.#open(ino);
    const start = Math.min(size, file.bytes.length);
    this.#resize(file, size);
    this.#dirtied(ino, file, start, size, nowNs);
  }

  /** The file lost its last name. Its bytes go for good only once that is committed: a kill may bring the name back. */
  forget(ino: Ino): void {
    const file = this.#files.get(ino);
    if (file === undefined) return;
    this.#files.delete(ino);
    this.#options.forgotten.set(ino, file);
  }

  openForDrain(ino: Ino): DrainSource | undefined {
    if (this.#options.replica.inode(ino) === undefined) return undefined;
    const file = this.#open(ino);
    const size = file.bytes.length;
    const isWhollyDirty = file.source?.inode !== this.#options.replica.inode(ino)?.id;
    return {
      size,
      dirtyRanges: isWhollyDirty ? (size > 0 ? [{ start: 0, end: size }] : []) : file.dirty.ranges(),
      dataRanges: [{ start: 0, end: size }],
      path: null,
      isLocal: () => false,
      read: async (offset, length) => {
        await this.#hydrate(file);
        const bytes = file.bytes.subarray(offset, offset + length);
        const padded = new Uint8Array(length);
        padded.set(bytes);
        return padded;
      },
      close: async () => undefined,
    };
  }

  drained(ino: Ino, sequence: number, _manifest: Manifest): void {
    this.#options.onDrained(ino);
    const file = this.#files.get(ino);
    const inode = this.#options.replica.inode(ino);
    if (file === undefined || inode === undefined) return;
    if (this.#options.replica.contentSequence(ino) === sequence) {
      file.dirty = new RangeSet();
      file.source = { inode: inode.id, version: inode.version };
    }
    // Otherwise all stays dirty over the older base, which is more than what differs from the newer one.
  }

  replaced(ino: Ino): void {
    this.#files.delete(ino);
  }

  move({ from, to }: ContentMove): void {
    const file = this.#files.get(from);
    this.#files.delete(from);
    if (file === undefined) return;
    file.sequence = this.#options.replica.contentSequence(to);
    this.#files.set(to, file);
  }

  #open(ino: Ino): SimulatedFile {
    const known = this.#files.get(ino);
    if (known !== undefined) return known;
    const inode = this.#options.replica.inode(ino);
    if (inode === undefined) throw new Error(`no inode ${ino} to write to`);
    const file: SimulatedFile = {
      bytes: Buffer.alloc(inode.size),
      dirty: new RangeSet(),
      source: { inode: inode.id, version: inode.version },
      present: new RangeSet(),
      sequence: 0,
    };
    this.#files.set(ino, file);
    return file;
  }

  #resize(file: SimulatedFile, size: number): void {
    const old = file.bytes.length;
    if (size === old) return;
    const bytes = Buffer.alloc(size);
    file.bytes.copy(bytes, 0, 0, Math.min(size, old));
    file.bytes = bytes;
    if (size > old) {
      file.present.add(old, size);
      file.dirty.add(old, size);
    } else {
      file.present.remove(size, old);
      file.dirty.remove(size, old);
    }
  }

  #dirtied(ino: Ino, file: SimulatedFile, start: number, end: number, nowNs: bigint): void {
    file.present.add(start, end);
    file.dirty.add(start, end);
    this.#options.replica.contentChanged(ino, file.bytes.length, nowNs);
    file.sequence = this.#options.replica.contentSequence(ino);
  }

  async #hydrate(file: SimulatedFile): Promise<void> {
    const isWhole = () => file.bytes.length === 0 || file.present.covers(0, file.bytes.length);
    if (isWhole() || file.source === undefined || file.source.version === 0) return;
    const { metadata, blocks, namespace } = this.#options;
    const { inode, version } = file.source;
    const manifest = await metadata.manifest(namespace, inode, version);
    const hashes = [...new Set(manifest.entries.filter((entry) => !isHole(entry)).map((entry) => entry.hash))];
    const plaintexts = new Map<string, Uint8Array>();
    for await (const frame of blocks.get(namespace, { inode, version, hashes })) {
      plaintexts.set(frame.hash, decodeBlock(frame));
    }
    let at = 0;
    for (const entry of manifest.entries) {
      const plaintext = plaintexts.get(entry.hash);
      for (let i = 0; i < entry.length && at + i < file.bytes.length; i += 1) {
        if (!file.present.has(at + i)) file.bytes[at + i] = plaintext?.[i] ?? 0;
      }
      at += entry.length;
    }
    file.present.add(0, file.bytes.length);
  }
}
