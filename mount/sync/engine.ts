import { DriveError, asDriveError, isDriveError } from '../../protocol/errors.ts';
import type { Cursor } from '../../protocol/ids.ts';
import type { Notification } from '../../protocol/notifications.ts';
import type { Ino } from '../replica/local-inode.ts';
import type { DirtyContent } from '../replica/synced-tree.ts';
import { Backoff } from './backoff.ts';
import { Exchange } from './exchange.ts';
import { Refusals, isLastingRefusal } from './refusals.ts';
import { Rush } from './rush.ts';
import { defaultSyncTimings } from './sync-options.ts';
import type { SyncOptions, SyncStatus, SyncTimings } from './sync-options.ts';
import { Uploader } from './uploader.ts';
import { Waiters } from './waiters.ts';

const batchesUnderWayMax = 3;
/** While a batch that is not full is under way, others that are not full wait for its end, and fill; so often is looked whether one is full. */
const lookMs = 50;
/** Planning a commit looks at all that is dirty: it may take at most one part in so many of the time. */
const planningShare = 5;
const planningPauseMsMin = 20;
const filesPerBatchMax = 256;
const bytesPerBatch = 16 * 1024 * 1024;
const dirtyContentsSeenMax = 2_000;

/**
 * Keeps the replica and the server at one: pulls when told that there is something, and uploads and commits what is
 * dirty. One loop does all exchanges of metadata, one after the other; uploads go on beside it. While the server cannot
 * be reached everything waits, and nothing that is dirty is lost.
 */
export class SyncEngine {
  readonly #options: SyncOptions;
  readonly #timings: SyncTimings;
  readonly #exchange: Exchange;
  readonly #refusals: Refusals;
  readonly #uploader: Uploader;
  readonly #backoff: Backoff;
  readonly #uploadBackoff: Backoff;
  readonly #waiters = new Waiters();
  readonly #stopping = new AbortController();
  /** Files closed since they were last written, and those being uploaded. */
  readonly #closed = new Set<Ino>();
  readonly #uploading = new Set<Ino>();
  /** Files whose last upload came to nothing, and when to try again. */
  readonly #deferred = new Map<Ino, number>();
  #batches = 0;
  #partialBatches = 0;
  #lookedMs = 0;
  #idle: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #isWoken = false;
  #isConnected = true;
  #pullDue = true;
  #notified = 0 as Cursor;
  #pulledMs = 0;
  /** When the burst of changes at hand began and when its last change came; `undefined` if there is none. */
  #burst: { readonly sinceMs: number; lastMs: number } | undefined;
  readonly #rush = new Rush();
  #urgent = 0;
  #retryAtMs = 0;
  #uploadRetryAtMs = 0;
  /** Before, planning again would take too large a share of the time. */
  #planAgainAtMs = 0;
  #lastError: string | null = null;

  constructor(options: SyncOptions) {
    this.#options = options;
    this.#timings = { ...defaultSyncTimings, ...options.timings };
    this.#exchange = new Exchange(options, (error) => this.#failed(error));
    this.#refusals = new Refusals(options.tree, options.clock, this.#timings);
    this.#uploader = new Uploader(options);
    this.#backoff = new Backoff(this.#timings.retryMsMin, this.#timings.retryMsMax, options.randomness);
    this.#uploadBackoff = new Backoff(this.#timings.retryMsMin, this.#timings.retryMsMax, options.randomness);
  }

  start(): void {
    this.#lookForDirt(); // what an earlier life left dirty
    this.#running ??= this.#run();
  }

  /** Ends after the exchange at hand. What is dirty stays so until the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#signal();
    this.#waiters.rejectAll(new DriveError('cancelled', 'the mount is being stopped'));
    await this.#running;
    await this.#idle;
  }

  /** Something in the tree or a file became dirty. Cheap: call it for every change. */
  changed(): void {
    const nowMs = this.#options.clock.nowMs();
    this.#rush.changed(nowMs);
    if (this.#burst === undefined) {
      this.#burst = { sinceMs: nowMs, lastMs: nowMs };
      this.#signal();
    } else {
      this.#burst.lastMs = nowMs;
    }
  }

  /** A file that was written to was closed: its content is likely to be whole. */
  contentClosed(ino: Ino): void {
    if (this.#options.tree.inode(ino)?.contentDirty === true) this.#closed.add(ino);
    this.changed();
    // In a rush the loop looks by itself whether it is over.
    if (this.#rushEndMs() === 0) this.#signal();
  }

  connected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    this.#signal();
  }

  notified(notification: Notification): void {
    if (notification.namespace !== this.#options.namespace) return;
    if (notification.cursor > this.#notified) this.#notified = notification.cursor;
    if (this.#notified > this.#options.tree.cursor()) this.#signal();
  }

  /** The server can be reached again, or something may have been missed: pull now. */
  pullDue(): void {
    this.#pullDue = true;
    this.#retryAtMs = 0;
    this.#uploadRetryAtMs = 0;
    this.#backoff.reset();
    this.#uploadBackoff.reset();
    this.#signal();
  }

  /** Resolves when nothing is dirty; throws `timeout` if that takes longer. Nothing waits for files to be closed meanwhile. */
  async drain(timeoutMs: number): Promise<void> {
    await this.#within(
      timeoutMs,
      (signal) => this.#until(() => this.#isClean(), signal),
      () => this.#explainDelay(),
    );
  }

  /** Resolves when all that is dirty at the time of the call is acknowledged by the server. */
  async barrier(signal?: AbortSignal): Promise<void> {
    await this.#until(() => this.#isClean(), signal);
  }

  /** Resolves when all that is dirty of `ino` at the time of the call is committed; throws `timeout` if that takes too long. */
  async committed(ino: Ino, signal: AbortSignal): Promise<void> {
    const { tree } = this.#options;
    const { committedMs } = this.#timings;
    this.#closed.add(ino);
    await this.#within(
      committedMs,
      (ended) => this.#until(() => tree.isCommitted(ino), AbortSignal.any([signal, ended])),
      () => `${tree.pathOf(ino) ?? 'the file'} is not on the server after ${committedMs} ms: ${this.#explainDelay()}`,
    );
  }

  status(): SyncStatus {
    const { entries, bytes, conflicts } = this.#options.tree.dirtySummary();
    return {
      cursor: this.#options.tree.cursor(),
      connected: this.#isConnected,
      dirtyEntries: entries,
      dirtyBytes: bytes,
      uploadedBlocks: this.#uploader.sentBlocks,
      uploadedBytes: this.#uploader.sentBytes,
      hydratedBytes: this.#options.hydratedBytes?.() ?? 0,
      conflicts,
      lastError: this.#whyWaiting(),
    };
  }

  #isClean(): boolean {
    const { tree } = this.#options;
    return tree.unsettledCommit() === undefined && tree.dirtySummary().entries === 0;
  }

  #whyWaiting(): string | null {
    return this.#lastError ?? this.#refusals.describe();
  }

  #explainDelay(): string {
    const { entries } = this.#options.tree.dirtySummary();
    const why = this.#whyWaiting();
    return `${entries} changes are not uploaded yet${why === null ? '' : ` (${why})`}; they are kept, and uploading goes on`;
  }

  /** Runs `work`, and throws `timeout` with what `explain` says if it takes longer; its signal aborts then. */
  async #within(timeoutMs: number, work: (signal: AbortSignal) => Promise<void>, explain: () => string): Promise<void> {
    const ended = new AbortController();
    const late = this.#options.clock.sleep(timeoutMs, ended.signal).then(
      () => new DriveError('timeout', explain()),
      () => undefined,
    );
    try {
      const error = await Promise.race([work(ended.signal).then(() => undefined), late]);
      if (error !== undefined) throw error;
    } finally {
      ended.abort();
    }
  }

  async #until(isDone: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    if (isDone()) return;
    if (this.#stopping.signal.aborted) throw new DriveError('cancelled', 'the mount is being stopped');
    this.#urgent += 1;
    this.#lookForDirt();
    this.#signal();
    try {
      await this.#waiters.until(isDone, signal);
    } finally {
      this.#urgent -= 1;
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#isWoken = false;
      const nowMs = this.#options.clock.nowMs();
      try {
        if (nowMs >= this.#retryAtMs) await this.#exchangeOnce();
      } catch (error) {
        this.#failed(error);
        // Trying a login that is refused again soon only makes the server refuse more.
        const isRefused = isDriveError(error, 'unauthenticated');
        const waitMs = isRefused ? this.#timings.refusedMs : this.#backoff.nextMs();
        this.#retryAtMs = this.#options.clock.nowMs() + waitMs;
      }
      if (signal.aborted) break;
      const uploadsDueMs = this.#startUploads();
      this.#waiters.check();
      await this.#sleepUntil(Math.min(uploadsDueMs, this.#exchangeDueMs()));
    }
  }

  /** Does whatever exchange is due; a failure is thrown and all is tried again. */
  async #exchangeOnce(): Promise<void> {
    const { tree, clock } = this.#options;
    const unsettled = tree.unsettledCommit();
    if (unsettled !== undefined) {
      await this.#commit(unsettled);
      this.#lookForDirt();
    }
    const isLate = clock.nowMs() - this.#pulledMs >= this.#timings.pullMs;
    if (this.#pullDue || this.#notified > tree.cursor() || isLate) {
      this.#pullDue = false;
      try {
        await this.#exchange.pull();
      } catch (error) {
        this.#pullDue = true;
        throw error;
      }
      if (this.#notified > tree.cursor()) this.#notified = tree.cursor();
      this.#pulledMs = clock.nowMs();
      this.#lookForDirt(); // what came may have set free what waited for it
    }
    if (this.#refusals.retry()) this.#lookForDirt();
    while (this.#isCommitDue() && !this.#stopping.signal.aborted) {
      this.#burst = undefined;
      const plan = this.#plan();
      if (plan === undefined) break;
      await this.#commit(plan);
      this.#waiters.check();
      this.#lookForDirt(); // there may be more than one commit's worth
    }
    this.#succeeded();
  }

  #plan(): ReturnType<Exchange['plan']> {
    const { clock } = this.#options;
    const startMs = clock.nowMs();
    const plan = this.#exchange.plan(this.#refusals.operationsMax, this.#refusals.order);
    const endMs = clock.nowMs();
    const pauseMs = (endMs - startMs) * (planningShare - 1);
    // What a rush piles up takes long to look through, and changes all the time: then the share is kept to whatever it takes.
    const pauseMsMax = this.#urgent === 0 && this.#rush.isOn(endMs) ? Infinity : this.#timings.burstMs;
    if (pauseMs > planningPauseMsMin) this.#planAgainAtMs = endMs + Math.min(pauseMs, pauseMsMax);
    return plan;
  }

  /** A plan that the server refuses for good is taken apart: what is in it is planned anew. */
  async #commit(plan: Parameters<Exchange['commit']>[0]): Promise<void> {
    try {
      await this.#exchange.commit(plan);
    } catch (error) {
      const failure = asDriveError(error);
      if (!isLastingRefusal(failure)) throw failure;
      this.#refusals.refused(plan, failure);
      return;
    }
    this.#refusals.committed(plan);
  }

  /** Plans a commit soon, though nobody said that something changed. */
  #lookForDirt(): void {
    this.#burst ??= { sinceMs: 0, lastMs: 0 };
  }

  #isCommitDue(): boolean {
    return this.#options.clock.nowMs() >= this.#commitDueMs();
  }

  #commitDueMs(): number {
    if (this.#burst === undefined) return Infinity;
    const { quietMs, burstMs } = this.#timings;
    const burstEndMs = Math.min(this.#burst.lastMs + quietMs, this.#burst.sinceMs + burstMs);
    return Math.max(burstEndMs, this.#refusals.pausedUntilMs, this.#planAgainAtMs, this.#rushEndMs());
  }

  /** Before, the drain leaves the processor to those who change things, unless somebody waits for it. */
  #rushEndMs(): number {
    return this.#urgent > 0 ? 0 : this.#rush.endMs;
  }

  #exchangeDueMs(): number {
    const isPullDue = this.#pullDue || this.#notified > this.#options.tree.cursor();
    const pullDueMs = isPullDue ? 0 : this.#pulledMs + this.#timings.pullMs;
    const unsettledDueMs = this.#options.tree.unsettledCommit() === undefined ? Infinity : 0;
    const dueMs = Math.min(pullDueMs, unsettledDueMs, this.#commitDueMs(), this.#refusals.retryAtMs);
    return Math.max(this.#retryAtMs, dueMs);
  }

  /** Starts uploads of what is due; returns when to look again. */
  #startUploads(): number {
    const nowMs = this.#options.clock.nowMs();
    const startMs = Math.max(this.#uploadRetryAtMs, this.#rushEndMs());
    if (nowMs < startMs) return startMs;
    if (this.#batches >= batchesUnderWayMax) return Infinity; // the end of a batch wakes the loop
    const lookDueMs = this.#lookedMs + lookMs;
    if (this.#partialBatches > 0 && this.#closed.size < filesPerBatchMax && nowMs < lookDueMs) return lookDueMs;
    this.#lookedMs = nowMs;
    // Before the first load nothing can be committed.
    const dirty = this.#options.tree.dirtyContents(dirtyContentsSeenMax);
    let dueMs = Infinity;
    let batch: DirtyContent[] = [];
    let bytes = 0;
    for (const each of dirty) {
      if (this.#uploading.has(each.ino)) continue;
      const eachDueMs = Math.max(this.#uploadDueMs(each), this.#deferred.get(each.ino) ?? 0);
      if (eachDueMs > nowMs) {
        dueMs = Math.min(dueMs, eachDueMs);
        continue;
      }
      if (this.#batches >= batchesUnderWayMax) break; // the end of a batch wakes the loop
      batch.push(each);
      bytes += each.size;
      if (batch.length >= filesPerBatchMax || bytes >= bytesPerBatch) {
        this.#upload(batch, 'full');
        batch = [];
        bytes = 0;
      }
    }
    if (batch.length === 0 || this.#batches >= batchesUnderWayMax) return dueMs;
    if (this.#partialBatches > 0) return Math.min(dueMs, nowMs + lookMs);
    this.#upload(batch, 'partial');
    return dueMs;
  }

  #uploadDueMs(dirty: DirtyContent): number {
    if (this.#urgent > 0 || this.#closed.has(dirty.ino)) return 0;
    const { idleMs } = this.#timings;
    return Math.min(dirty.changedMs + idleMs + this.#patienceMs(dirty), dirty.sinceMs + this.#contentAgeMs(dirty));
  }

  /** The age at which a file that is written without pause is uploaded as it is. */
  #contentAgeMs(dirty: DirtyContent): number {
    return this.#timings.contentAgeMs + this.#patienceMs(dirty);
  }

  /**
   * What a file still open is granted for its size: a half-written state of a large one costs as much to read and cut as the
   * whole, and its last block, cut off by chance, is of use to nobody later.
   */
  #patienceMs(dirty: DirtyContent): number {
    return Math.ceil(dirty.size / this.#timings.openBytesPerMs);
  }

  #upload(batch: readonly DirtyContent[], fill: 'full' | 'partial'): void {
    for (const { ino } of batch) {
      this.#uploading.add(ino);
      this.#closed.delete(ino);
    }
    this.#batches += 1;
    if (fill === 'partial') this.#partialBatches += 1;
    const isOld = (dirty: DirtyContent) => this.#options.clock.nowMs() - dirty.sinceMs >= this.#contentAgeMs(dirty);
    const done = this.#uploader.upload(batch, isOld).then(
      () => {
        this.#uploadBackoff.reset();
        // With more on its way to be uploaded, what came first waits for it as changes of a burst do.
        if (this.#closed.size > 0 && this.#urgent === 0) this.changed();
        else this.#lookForDirt();
        this.#deferUnchanged(batch);
      },
      (error: unknown) => {
        this.#failed(error);
        for (const { ino } of batch) this.#closed.add(ino);
        this.#uploadRetryAtMs = this.#options.clock.nowMs() + this.#uploadBackoff.nextMs();
      },
    );
    const ended = done.finally(() => {
      for (const { ino } of batch) this.#uploading.delete(ino);
      this.#batches -= 1;
      if (fill === 'partial') this.#partialBatches -= 1;
      this.#signal();
    });
    this.#idle = Promise.all([this.#idle, ended]).then(() => undefined);
  }

  /** A file that is still to be uploaded (it changed while it was read, or its content is away) is not tried at once again. */
  #deferUnchanged(batch: readonly DirtyContent[]): void {
    const waiting = new Set(this.#options.tree.dirtyContents(dirtyContentsSeenMax).map((dirty) => dirty.ino));
    for (const { ino } of batch) {
      if (waiting.has(ino)) this.#deferred.set(ino, this.#options.clock.nowMs() + this.#timings.idleMs);
      else this.#deferred.delete(ino);
    }
  }

  #failed(error: unknown): void {
    const { code, message } = asDriveError(error);
    this.#lastError = `${code}: ${message}`;
  }

  #succeeded(): void {
    this.#backoff.reset();
    if (this.#options.clock.nowMs() >= this.#uploadRetryAtMs) this.#lastError = null;
  }

  #signal(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  async #sleepUntil(dueMs: number): Promise<void> {
    if (this.#isWoken) return;
    const waitMs = Math.max(0, Math.min(dueMs - this.#options.clock.nowMs(), this.#timings.pullMs));
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    try {
      await this.#options.clock.sleep(waitMs, woken.signal);
    } catch (error) {
      if (!woken.signal.aborted) throw error;
    } finally {
      this.#wake = undefined;
    }
  }
}
