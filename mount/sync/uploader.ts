import type { BlockFrame } from '../../protocol/block-service.ts';
import type { BlockHash } from '../../protocol/ids.ts';
import { isDriveError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { isHole, manifestHashes } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import { freeBytes } from '../../protocol/spent-memory.ts';
import type { DrainSource } from '../content/content-store.ts';
import type { DirtyContent } from '../replica/synced-tree.ts';
import type { PlacedBlock } from './block-pipeline.ts';
import type { SyncOptions } from './sync-options.ts';

/** One request carries at most so much plaintext. */
const putBytesMax = 16 * 1024 * 1024;
const putsUnderWayMax = 2;
const cutsUnderWayMax = 4;

/** A file that was cut and waits for its blocks to be there. */
interface CutFile {
  readonly dirty: DirtyContent;
  readonly source: DrainSource;
  readonly manifest: Manifest;
}

interface WantedBlock extends PlacedBlock {
  readonly source: DrainSource;
}

/**
 * Brings the blocks of dirty files to the server: cut, ask which are there, send the others. The files of a batch share
 * requests, and a block that another batch is sending is waited for, not sent twice.
 */
export class Uploader {
  /** Blocks actually sent and acknowledged, and their plaintext bytes. */
  sentBlocks = 0;
  sentBytes = 0;
  readonly #options: SyncOptions;
  readonly #underWay = new Map<BlockHash, Promise<ReadonlySet<BlockHash>>>();

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  /** Uploads a batch. A file that changed so that its cut is of no use any more is left for another time. */
  async upload(batch: readonly DirtyContent[], mayBeStale: (dirty: DirtyContent) => boolean): Promise<void> {
    const opened = batch.map((dirty) => ({ dirty, source: this.#options.content.openForDrain(dirty.ino) }));
    try {
      const cut = await inParallel(opened, cutsUnderWayMax, async ({ dirty, source }) =>
        source === undefined ? undefined : this.#cut(dirty, source),
      );
      const files = cut.filter((file) => file !== undefined);
      const stale = await this.#send(files);
      for (const { dirty, manifest } of files) {
        const isLatest = this.#options.tree.contentSequence(dirty.ino) === dirty.sequence;
        const isWhole = ![...manifestHashes(manifest)].some((hash) => stale.has(hash));
        if (isWhole && (isLatest || mayBeStale(dirty))) {
          this.#options.tree.contentUploaded(dirty.ino, dirty.sequence, manifest);
        }
      }
    } finally {
      for (const { source } of opened) await source?.close();
    }
  }

  async #cut(dirty: DirtyContent, source: DrainSource): Promise<CutFile | undefined> {
    try {
      const copied = await source.copiedFrom?.(dirty.base !== undefined);
      const manifest = await (copied === undefined
        ? this.#options.pipeline.cut(source, dirty.base)
        : this.#options.pipeline.cut({ ...source, dirtyRanges: copied.dirtyRanges }, copied.base));
      return { dirty, source, manifest };
    } catch (error) {
      if (isDriveError(error, 'conflict')) return undefined; // it changed while it was cut
      throw error;
    }
  }

  /** Sends what the server lacks; returns the blocks that could not be read any more. */
  async #send(files: readonly CutFile[]): Promise<ReadonlySet<BlockHash>> {
    const wanted = new Map<BlockHash, WantedBlock>();
    for (const { dirty, source, manifest } of files) {
      const known = dirty.base === undefined ? new Set<BlockHash>() : manifestHashes(dirty.base);
      for (const block of placedBlocks(manifest)) {
        if (!known.has(block.hash)) wanted.set(block.hash, { ...block, source });
      }
    }
    const hashes = [...wanted.keys()];
    for (let at = 0; at < hashes.length; at += limits.haveHashesMax) {
      const slice = hashes.slice(at, at + limits.haveHashesMax);
      for (const hash of await this.#options.blocks.have(this.#options.namespace, slice)) wanted.delete(hash);
    }
    const others: Promise<ReadonlySet<BlockHash>>[] = [];
    const own: WantedBlock[] = [];
    for (const block of wanted.values()) {
      const underWay = this.#underWay.get(block.hash);
      if (underWay === undefined) own.push(block);
      else others.push(underWay);
    }
    const stale = new Set<BlockHash>();
    const sending = inParallel(requestsOf(own), putsUnderWayMax, (blocks) => this.#put(blocks, stale)).then(
      () => stale,
    );
    for (const block of own) this.#underWay.set(block.hash, sending);
    try {
      const unread = await Promise.all([sending, ...others]);
      return new Set(unread.flatMap((hashes) => [...hashes]));
    } finally {
      for (const block of own) this.#underWay.delete(block.hash);
    }
  }

  async #put(blocks: readonly WantedBlock[], stale: Set<BlockHash>): Promise<void> {
    const { pipeline, namespace } = this.#options;
    let sentBlocks = 0;
    let sentBytes = 0;
    async function* frames(): AsyncGenerator<BlockFrame> {
      for (const { source, ...block } of blocks) {
        const frame = await pipeline.frame(source, block);
        if (frame === undefined) {
          stale.add(block.hash);
          continue;
        }
        yield frame;
        sentBlocks += 1;
        sentBytes += frame.length;
      }
    }
    await this.#options.blocks.put(namespace, frames(), freeBytes);
    this.sentBlocks += sentBlocks;
    this.sentBytes += sentBytes;
  }
}

function* placedBlocks(manifest: Manifest): Generator<PlacedBlock> {
  let offset = 0;
  for (const entry of manifest.entries) {
    if (!isHole(entry)) yield { hash: entry.hash, offset, length: entry.length };
    offset += entry.length;
  }
}

function requestsOf(blocks: readonly WantedBlock[]): WantedBlock[][] {
  const requests: WantedBlock[][] = [];
  let bytes = 0;
  for (const block of blocks) {
    const last = requests.at(-1);
    if (last === undefined || bytes + block.length > putBytesMax) {
      requests.push([block]);
      bytes = block.length;
    } else {
      last.push(block);
      bytes += block.length;
    }
  }
  return requests;
}

/** Runs `work` on all items, so many at a time; after a failure no new one is begun. */
async function inParallel<Item, Result>(
  items: readonly Item[],
  underWayMax: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  let hasFailed = false;
  const lane = async () => {
    while (next < items.length && !hasFailed) {
      const at = next++;
      const item = items[at] as Item;
      try {
        results[at] = await work(item);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(underWayMax, items.length) }, lane);
  const ended = await Promise.allSettled(lanes);
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return results;
}
