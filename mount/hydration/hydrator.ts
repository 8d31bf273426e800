import type { BlockService } from '../../protocol/block-service.ts';
import type { Clock } from '../../protocol/environment.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { Metadata } from '../../protocol/metadata.ts';
import type { ContentFile } from '../content/content-file.ts';
import type { ContentFiles } from '../content/content-files.ts';
import type { ByteRange } from '../content/content-store.ts';
import { ManifestMap } from '../content/manifest-map.ts';
import type { Stretch } from '../content/manifest-map.ts';
import type { LocalTree } from '../replica/local-tree.ts';
import { BlockFetcher } from './block-fetcher.ts';
import { LocalBlocks } from './local-blocks.ts';
import { orAborted, tryUntil, watchIdle } from './persistence.ts';

export interface HydratorOptions {
  readonly namespace: NamespaceId;
  readonly metadata: Pick<Metadata, 'manifest'>;
  readonly blocks: Pick<BlockService, 'get'>;
  readonly tree: Pick<LocalTree, 'inode' | 'manifest' | 'rememberManifest'>;
  readonly files: ContentFiles;
  readonly clock: Clock;
  /** How long a read waits for a server that does not answer. Default 30 s. */
  readonly timeoutMs?: number;
}

/** A long range is brought in by windows of this size, so that its blocks are not all wanted at once. */
const windowBytes = 32 * 1024 * 1024;
/** Readahead beyond so many waiting blocks is left out: the line is full. */
const aheadBlocksMax = 512;
/** An old version is asked for its manifest, to copy blocks from it, only if that can save this much. */
const donorBytesMin = 1024 * 1024;

/** Brings bytes of versions into content files: from other local files that have them, else from the server. */
export class Hydrator {
  /** Blocks that another local file had. */
  copiedBlocks = 0;

  readonly #options: HydratorOptions;
  readonly #timeoutMs: number;
  readonly #fetcher: BlockFetcher;
  readonly #local: LocalBlocks;
  /** Maps being asked for, by generation. */
  readonly #maps = new Map<number, Promise<ManifestMap>>();

  constructor(options: HydratorOptions) {
    this.#options = options;
    const { namespace, blocks, clock } = options;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#fetcher = new BlockFetcher({ namespace, blocks, clock, timeoutMs: this.#timeoutMs });
    this.#local = new LocalBlocks(options.files, options.tree);
  }

  /** Bytes of blocks that came from the server since the start. */
  get hydratedBytes(): number {
    return this.#fetcher.receivedBytes;
  }

  get hydratedBlocks(): number {
    return this.#fetcher.receivedBlocks;
  }

  /** When the last of these came; 0 if none did. */
  get lastReceivedMs(): number {
    return this.#fetcher.lastReceivedMs;
  }

  /**
   * Resolves when `[offset, offset + length)` of `file`, which the caller holds, can be read. Rejects with `timeout` or
   * `unavailable` if the server cannot be reached, `corrupt` if it has the wrong bytes, `noSpace`, or `cancelled`.
   */
  async ensure(file: ContentFile, offset: number, length: number, signal?: AbortSignal): Promise<void> {
    const end = Math.min(offset + length, file.size);
    const leave = file.want({ start: offset, end });
    try {
      for (let at = offset; at < end; at += windowBytes) {
        const piece = Math.min(windowBytes, end - at);
        // A write may punch what a window had, or a cut may change what is missing: look again until all is there.
        while (!file.isReadable(at, piece)) {
          const done = this.#bring(file, at, at + piece, true);
          await (signal === undefined ? done : orAborted(done, signal));
        }
      }
    } finally {
      leave();
    }
  }

  /** Starts to bring in a range that will probably be read. What fails is asked for again by the read itself. */
  readAhead(file: ContentFile, range: ByteRange): void {
    if (this.#fetcher.aheadCount > aheadBlocksMax || file.isReadable(range.start, range.end - range.start)) return;
    this.#bring(file, range.start, Math.min(range.end, file.size), false).catch(() => undefined);
  }

  /** What is missing of `[start, end)`, asked for at once. */
  async #bring(file: ContentFile, start: number, end: number, isUrgent: boolean): Promise<void> {
    const { files } = this.#options;
    files.hold(file);
    try {
      const map = file.map ?? (await this.#mapOf(file));
      const waits: Promise<void>[] = [];
      for (const range of file.missing(start, end - start)) {
        for (const stretch of map.stretches(range.start, range.end)) {
          waits.push(this.#bringStretch(file, stretch, isUrgent));
        }
        // Beyond the version's end there is nothing to ask for (a crash may have lost the bytes): it reads as zeros.
        const beyond = Math.max(range.start, map.size);
        if (beyond < range.end) file.hydrateHole(beyond, range.end - beyond);
      }
      await settled(waits);
    } finally {
      files.close(file);
    }
  }

  async #bringStretch(file: ContentFile, stretch: Stretch, isUrgent: boolean): Promise<void> {
    const { offset, length, hash } = stretch;
    if (hash === null) {
      file.hydrateHole(offset, length);
      return;
    }
    const copy = this.#local.find(hash, length);
    if (copy !== undefined) {
      file.hydrate(offset, copy);
      this.#local.remember(hash, file, offset);
      this.copiedBlocks += 1;
      return;
    }
    const source = file.source;
    await this.#fetcher.fetch({ hash, length, source }, isUrgent, (plaintext) => {
      if (file.source === source) file.hydrate(offset, plaintext);
      this.#local.remember(hash, file, offset);
    });
  }

  /** The manifest of the file's source with offsets, asked for once. */
  async #mapOf(file: ContentFile): Promise<ManifestMap> {
    const known = this.#maps.get(file.generation);
    if (known !== undefined) return known;
    const asked = this.#loadMap(file);
    this.#maps.set(file.generation, asked);
    try {
      return await asked;
    } finally {
      this.#maps.delete(file.generation);
    }
  }

  async #loadMap(file: ContentFile): Promise<ManifestMap> {
    const source = file.source;
    const map = new ManifestMap(await this.#manifestOf(file));
    if (file.source !== source) return file.map ?? this.#loadMap(file);
    file.map = map;
    for (const donor of this.#options.files.retiredOf(file.ino)) {
      if (donor.map === undefined && donor.localBytes >= donorBytesMin) donor.map = await this.#mapOfDonor(donor);
      this.#local.rememberAll(donor);
    }
    return map;
  }

  async #manifestOf(file: ContentFile): Promise<Manifest> {
    const { tree, namespace, metadata, clock } = this.#options;
    const { inode, version } = file.source;
    if (version === 0) return { profile: '', entries: [] };
    const isCurrent = (): boolean => {
      const local = tree.inode(file.ino);
      return local !== undefined && local.id === inode && local.version === version;
    };
    const known = isCurrent() ? tree.manifest(file.ino) : undefined;
    if (known !== undefined) return known;
    const asked = await tryUntil(clock, this.#timeoutMs, async () => {
      const controller = new AbortController();
      const watch = watchIdle(clock, this.#timeoutMs, controller, 'the server');
      try {
        return await orAborted(metadata.manifest(namespace, inode, version), controller.signal);
      } finally {
        watch.stop();
      }
    });
    if (isCurrent()) tree.rememberManifest(file.ino, asked);
    return asked;
  }

  /** The map of a replaced version; `undefined` if it cannot be had, which only costs a download. */
  async #mapOfDonor(donor: ContentFile): Promise<ManifestMap | undefined> {
    try {
      return new ManifestMap(await this.#manifestOf(donor));
    } catch (error) {
      if (error instanceof DriveError) return undefined;
      throw error;
    }
  }
}

/** Waits for all, so that none is left unhandled, and then throws what the first that failed threw. */
async function settled(waits: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(waits)) if (result.status === 'rejected') throw result.reason;
}
