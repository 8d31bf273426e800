import { decodeBlock, freeDecoded } from '../../blockstore/codec.ts';
import type { BlockFrame, BlockService } from '../../protocol/block-service.ts';
import type { Clock } from '../../protocol/environment.ts';
import { DriveError, isDriveError } from '../../protocol/errors.ts';
import type { BlockHash, NamespaceId } from '../../protocol/ids.ts';
import type { ContentSource } from '../content/content-file.ts';
import { orAborted, tryUntil, watchIdle } from './persistence.ts';

export interface BlockFetcherOptions {
  readonly namespace: NamespaceId;
  readonly blocks: Pick<BlockService, 'get'>;
  readonly clock: Clock;
  /** How long the server may be silent or unreachable before a fetch fails. */
  readonly timeoutMs: number;
}

/** One block under way, for everybody who waits for it. */
interface Fetch {
  readonly hash: BlockHash;
  readonly length: number;
  readonly source: ContentSource;
  readonly takers: ((plaintext: Uint8Array) => void)[];
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  wrongAnswers: number;
}

/** A request stays small enough that its blocks arrive while others are asked for, and large enough to fill a line. */
const blocksPerRequestMax = 32;
const requestsMax = 4;
/** A block that came damaged is asked for once more, in case the damage happened on the way. */
const wrongAnswersMax = 2;

/**
 * Fetches blocks from the server: each at most once at a time however many want it, many in one request, at most
 * `requestsMax` requests under way. Blocks are verified and handed on one by one, so memory holds a few of them.
 */
export class BlockFetcher {
  /** What came from the server and was right, since the start. */
  receivedBytes = 0;
  receivedBlocks = 0;
  /** When that was last; 0 if never. */
  lastReceivedMs = 0;

  readonly #options: BlockFetcherOptions;
  readonly #fetches = new Map<BlockHash, Fetch>();
  /** Not yet asked for: what somebody waits for, and what is read ahead. */
  readonly #urgent = new Set<Fetch>();
  readonly #ahead = new Set<Fetch>();
  #running = 0;
  #isPumpDue = false;

  constructor(options: BlockFetcherOptions) {
    this.#options = options;
  }

  /** How many blocks are waiting to be read ahead. */
  get aheadCount(): number {
    return this.#ahead.size;
  }

  /**
   * Resolves when the block came and `take` has got it, to use it at once and not to keep it; blocks asked for in one turn travel together. Rejects with
   * `corrupt`, `timeout`, `unavailable`, what the server said, or what `take` threw.
   */
  fetch(
    block: { readonly hash: BlockHash; readonly length: number; readonly source: ContentSource },
    isUrgent: boolean,
    take: (plaintext: Uint8Array) => void,
  ): Promise<void> {
    const known = this.#fetches.get(block.hash);
    if (known !== undefined) {
      known.takers.push(take);
      if (isUrgent && this.#ahead.delete(known)) this.#urgent.add(known);
      return known.promise;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fetch: Fetch = { ...block, takers: [take], promise, resolve, reject, wrongAnswers: 0 };
    this.#fetches.set(block.hash, fetch);
    (isUrgent ? this.#urgent : this.#ahead).add(fetch);
    this.#pumpSoon();
    return promise;
  }

  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      while (this.#running < requestsMax && this.#start());
    });
  }

  /** Sends one request, if there is anything to ask for. The last free request is not given to readahead. */
  #start(): boolean {
    const queue = this.#urgent.size > 0 ? this.#urgent : this.#ahead;
    if (queue === this.#ahead && this.#running >= requestsMax - 1) return false;
    const batch = takeBatch(queue);
    const source = batch[0]?.source;
    if (source === undefined) return false;
    this.#running += 1;
    void this.#run(source, batch).finally(() => {
      this.#running -= 1;
      this.#pumpSoon();
    });
    return true;
  }

  async #run(source: ContentSource, batch: readonly Fetch[]): Promise<void> {
    const open = new Map(batch.map((fetch) => [fetch.hash, fetch]));
    const { clock, timeoutMs } = this.#options;
    try {
      await tryUntil(clock, timeoutMs, (progressed) => this.#request(source, open, progressed));
    } catch (error) {
      for (const fetch of open.values()) this.#finish(fetch, open, error);
    }
  }

  /** One request for what is still open; throws unless all of it came or failed by itself. */
  async #request(source: ContentSource, open: Map<BlockHash, Fetch>, progressed: () => void): Promise<void> {
    const { namespace, blocks, clock, timeoutMs } = this.#options;
    while (open.size > 0) {
      const controller = new AbortController();
      const watch = watchIdle(clock, timeoutMs, controller, 'the server');
      const before = open.size;
      let wrong = 0;
      const frames = blocks
        .get(namespace, { ...source, hashes: [...open.keys()] }, controller.signal)
        [Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await orAborted(frames.next(), controller.signal);
          if (next.done === true) break;
          watch.progressed();
          progressed();
          if (!this.#receive(next.value, open)) wrong += 1;
        }
      } finally {
        watch.stop();
        controller.abort();
        // A source that hangs must not hang us: it was told to stop, and nobody waits for it.
        void frames.return?.().catch(() => undefined);
      }
      if (open.size === before && wrong === 0) {
        throw new DriveError(
          'unavailable',
          'the server ended its answer before all blocks came; trying again may help',
        );
      }
    }
  }

  /** Takes in one frame; returns false if it was a wanted block with wrong bytes. */
  #receive(frame: BlockFrame, open: Map<BlockHash, Fetch>): boolean {
    const fetch = open.get(frame.hash);
    if (fetch === undefined) return true;
    let plaintext: Uint8Array;
    try {
      plaintext = decodeBlock(frame);
      if (plaintext.length !== fetch.length) throw new DriveError('corrupt', `block ${fetch.hash} has a wrong length`);
    } catch (error) {
      fetch.wrongAnswers += 1;
      if (fetch.wrongAnswers >= wrongAnswersMax) this.#finish(fetch, open, corruptOf(error));
      return false;
    }
    this.receivedBytes += plaintext.length;
    this.receivedBlocks += 1;
    this.lastReceivedMs = this.#options.clock.nowMs();
    try {
      for (const take of fetch.takers) take(plaintext);
      this.#finish(fetch, open, undefined);
    } catch (error) {
      this.#finish(fetch, open, error);
    }
    freeDecoded(frame, plaintext);
    return true;
  }

  #finish(fetch: Fetch, open: Map<BlockHash, Fetch>, error: unknown): void {
    open.delete(fetch.hash);
    this.#fetches.delete(fetch.hash);
    if (error === undefined) fetch.resolve();
    else fetch.reject(error);
  }
}

/** Takes the first fetch and others of its source from the queue. */
function takeBatch(queue: Set<Fetch>): Fetch[] {
  const batch: Fetch[] = [];
  let source: ContentSource | undefined;
  for (const fetch of queue) {
    source ??= fetch.source;
    if (fetch.source.inode !== source.inode || fetch.source.version !== source.version) continue;
    batch.push(fetch);
    queue.delete(fetch);
    if (batch.length === blocksPerRequestMax) break;
  }
  return batch;
}

function corruptOf(error: unknown): DriveError {
  if (isDriveError(error, 'corrupt')) return error;
  return new DriveError('corrupt', 'the server sent a damaged block', { cause: error });
}
