import type { BlockIndex } from '../protocol/block-index.ts';
import type { BlockFrame, PutBlocksResult, SpentBytes } from '../protocol/block-service.ts';
import type { Clock, Randomness } from '../protocol/environment.ts';
import { DriveError, isDriveError } from '../protocol/errors.ts';
import { makeId, type BlockHash, type PackId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { verifyBlock } from './codec.ts';
import type { MasterKeys } from './master-keys.ts';
import { collectPieces } from './object-body.ts';
import { checkNotAborted, type ObjectStore } from './object-store.ts';
import { PackMemory } from './pack-memory.ts';
import { packKey, PackWriter, type FinishedPack } from './pack.ts';
import { PieceReader } from './piece-reader.ts';
import { planReads, type ReadSpan, type SpanBlock } from './read-plan.ts';
import { readAhead } from './read-ahead.ts';
import { dataKeyBytes, openBlock } from './sealing.ts';

/** What a block store is composed of. */
export interface BlockStoreParts {
  readonly objects: ObjectStore;
  readonly index: BlockIndex;
  readonly masterKeys: MasterKeys;
  readonly clock: Clock;
  /** Data keys come from it: in production it must be the system's. */
  readonly randomness: Randomness;
}

export interface StoredBlocks extends PutBlocksResult {
  /** The blocks that came in, verified: every one is durable now, whether it was new or not. */
  readonly hashes: ReadonlySet<BlockHash>;
}

/** The index is asked about this many blocks, or this many bytes of them, at once. */
const batchBlocksMax = 256;
const batchBytesMax = 2 * 1024 * 1024;

/** Packs in memory, over all puts under way. */
const packMemoryBytes = 2 * limits.packBytesTarget;

/** Ranged reads under way at once for one `get`. */
const readsAhead = 3;

/**
 * Blocks, deduplicated over all namespaces, sealed, in packs. It knows nothing of who may see which block: that is
 * decided before it is called.
 */
export class BlockStore {
  readonly #parts: BlockStoreParts;
  readonly #memory = new PackMemory(packMemoryBytes);

  constructor(parts: BlockStoreParts) {
    this.#parts = parts;
  }

  /**
   * Stores blocks; when it resolves, all are durable and in the index. Each is decompressed and checked against its hash
   * first (unless this process made it, see `verifyBlock`), also one the store has: sending it is how its sender shows to have it. Throws `corrupt` or `invalidArgument` for a bad frame;
   * blocks before it may have been stored.
   *
   * Frames are taken as fast as they can be stored. At most two packs of each `put` are in memory, one being filled, one on its way;
   * and of all together not much more than `packMemoryBytes` (see `PackMemory`). `spent` hears of each frame's bytes once they are sealed.
   */
  async put(frames: AsyncIterable<BlockFrame>, signal?: AbortSignal, spent?: SpentBytes): Promise<StoredBlocks> {
    const request = new PutRequest(this.#parts, this.#memory, signal, spent);
    try {
      for await (const frame of frames) await request.take(frame);
      return await request.finish();
    } finally {
      await request.settled();
    }
  }

  /**
   * The blocks of `hashes`, each once, in the encoding they are stored in. Their order is roughly the one wanted.
   * Throws `notFound` for a block the store never had (before any other is given), `corrupt` for one that is damaged, also when it is read once more, or lost.
   *
   * The seal is checked, the hash is not: `put` checked it before sealing, and the seal binds bytes and hash together. Whoever
   * decodes the block checks the hash (`decodeBlock`), so that it is verified end to end, and once.
   */
  async *get(hashes: readonly BlockHash[], signal?: AbortSignal): AsyncGenerator<BlockFrame> {
    const wanted = await this.#locate([...new Set(hashes)]);
    const spans = planReads(wanted);
    yield* readAhead(
      spans.map((span) => () => this.#readSpan(span, signal)),
      readsAhead,
    );
  }

  async #locate(hashes: readonly BlockHash[]): Promise<SpanBlock[]> {
    const locations = await this.#parts.index.locate(hashes);
    return hashes.map((hash) => {
      const location = locations.get(hash);
      if (location === undefined) throw new DriveError('notFound', `the store has no block ${hash}`);
      return { hash, location };
    });
  }

  async *#readSpan(span: ReadSpan, signal: AbortSignal | undefined): AsyncGenerator<BlockFrame> {
    const { record, offset, length, blocks } = span;
    const dataKey = this.#parts.masterKeys.unwrap(record.pack, record);
    const pieces = this.#parts.objects.get(packKey(record.pack), { offset, length }, signal);
    const reader = new PieceReader(pieces, `pack ${record.pack}`);
    try {
      let at = offset;
      for (const { hash, location } of blocks) {
        await reader.skip(location.offset - at);
        const sealed = await reader.read(location.storedLength);
        at = location.offset + location.storedLength;
        yield await this.#openOrReadAgain(dataKey, { hash, location }, sealed, signal);
      }
    } catch (error) {
      throw packError(record.pack, error);
    } finally {
      await reader.close();
    }
  }

  /** A block whose seal does not hold is read once more: the damage may have happened on the way. */
  async #openOrReadAgain(
    dataKey: Uint8Array,
    { hash, location }: SpanBlock,
    sealed: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<BlockFrame> {
    try {
      return openBlock(dataKey, hash, location, sealed);
    } catch (error) {
      if (!isDriveError(error, 'corrupt')) throw error;
      const { pack, offset, storedLength } = location;
      const again = this.#parts.objects.get(packKey(pack), { offset, length: storedLength }, signal);
      return openBlock(dataKey, hash, location, await collectPieces(again, storedLength));
    }
  }
}

/** A pack that the index knows must be there and as long as it was: if not, it is lost or cut. */
function packError(pack: PackId, error: unknown): unknown {
  if (!isDriveError(error, 'notFound') && !isDriveError(error, 'invalidArgument')) return error;
  return new DriveError('corrupt', `pack ${pack} is lost or cut short: ${error.message}`, { cause: error });
}

/** One `put`: collects new blocks into packs and sends these on. */
class PutRequest {
  readonly #parts: BlockStoreParts;
  readonly #memory: PackMemory;
  readonly #signal: AbortSignal | undefined;
  readonly #spent: SpentBytes | undefined;
  readonly #hashes = new Set<BlockHash>();
  #batch: BlockFrame[] = [];
  #batchBytes = 0;
  #writer: PackWriter | undefined;
  /** The pack on its way. */
  #storing: Promise<void> = Promise.resolve();
  #receivedBlocks = 0;
  #storedBlocks = 0;
  #storedBytes = 0;

  constructor(
    parts: BlockStoreParts,
    memory: PackMemory,
    signal: AbortSignal | undefined,
    spent: SpentBytes | undefined,
  ) {
    this.#parts = parts;
    this.#memory = memory;
    this.#signal = signal;
    this.#spent = spent;
  }

  async take(frame: BlockFrame): Promise<void> {
    checkNotAborted('of a pack', this.#signal);
    verifyBlock(frame);
    this.#receivedBlocks++;
    if (this.#hashes.has(frame.hash)) return;
    this.#hashes.add(frame.hash);
    this.#batch.push(frame);
    this.#batchBytes += frame.bytes.length;
    if (this.#batch.length >= batchBlocksMax || this.#batchBytes >= batchBytesMax) await this.#packBatch();
  }

  async finish(): Promise<StoredBlocks> {
    await this.#packBatch();
    await this.#sendPack();
    await this.#storing;
    return {
      receivedBlocks: this.#receivedBlocks,
      storedBlocks: this.#storedBlocks,
      storedBytes: this.#storedBytes,
      hashes: this.#hashes,
    };
  }

  /** Resolves when nothing goes on any more, whether it went well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#storing]);
    // A pack that an error left half filled.
    if (this.#writer !== undefined) this.#memory.release(this.#writer.byteLength);
    this.#writer = undefined;
  }

  async #packBatch(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    const present = await this.#parts.index.locate(batch.map(({ hash }) => hash));
    for (const frame of batch) {
      if (!present.has(frame.hash)) {
        await this.#memory.room();
        this.#addToPack(frame);
      }
      this.#spent?.(frame.bytes);
      if (this.#writer?.full === true || this.#memory.usedUp) await this.#sendPack();
    }
  }

  #addToPack(frame: BlockFrame): void {
    const before = this.#writer?.byteLength ?? 0;
    this.#writer ??= this.#newPack();
    this.#writer.add(frame);
    this.#memory.hold(this.#writer.byteLength - before);
  }

  #newPack(): PackWriter {
    const { clock, randomness, masterKeys } = this.#parts;
    return new PackWriter(
      makeId<PackId>(clock, randomness),
      randomness.bytes(dataKeyBytes),
      masterKeys,
      this.#memory.pool,
    );
  }

  /** Starts to store the pack at hand, once the one before is stored. */
  async #sendPack(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) return this.#storing;
    const previous = this.#storing;
    this.#writer = undefined;
    const heldBytes = writer.byteLength;
    this.#storing = this.#memory.sending(async () => {
      try {
        await previous;
        await this.#store(writer.finish());
      } finally {
        this.#memory.release(heldBytes);
      }
    });
    this.#storing.catch(() => undefined); // awaited by the next pack or by `finish`
    await previous;
  }

  /** The pack is durable before the index names it, so what the index names can be read. */
  async #store({ record, blocks, body, recycle }: FinishedPack): Promise<void> {
    await this.#parts.objects.put(packKey(record.pack), body, this.#signal);
    recycle();
    await this.#parts.index.record(record, blocks);
    this.#storedBlocks += blocks.size;
    this.#storedBytes += record.byteLength;
  }
}
