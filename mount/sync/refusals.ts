import type { Clock } from '../../protocol/environment.ts';
import type { DriveError, DriveErrorCode } from '../../protocol/errors.ts';
import type { InodeId } from '../../protocol/ids.ts';
import type { PlannedCommit, PlanOrder } from '../replica/synced-tree.ts';
import type { SyncReplica, SyncTimings } from './sync-options.ts';

/** The server's answer to a plan will not change by sending it again soon. */
const lastingRefusals = new Set<DriveErrorCode>([
  ...(['quotaExceeded', 'forbidden', 'invalidArgument', 'tooLarge', 'invalidName', 'nameTooLong'] as const),
  ...(['notDirectory', 'isDirectory', 'unsupported'] as const),
]);

/** The server may lack blocks that it had. */
const blocksMayLack = new Set<DriveErrorCode>(['forbidden', 'invalidArgument']);

const pauseMsMin = 50;
const pauseMsMax = 1_000;
const pathsNamedMax = 3;

/** Whether a plan with this answer has to be taken apart. */
export function isLastingRefusal(error: DriveError): boolean {
  return lastingRefusals.has(error.code);
}

/**
 * Finds out which change makes the server refuse whole commits, so that all others go on. A refused plan is made half as large,
 * removals first since they free space, until one is refused that cannot be smaller: what it is about is held back,
 * with what depends on it. Plans then grow again with each success. What is held back is tried again when it changes, when a
 * removal was committed, and one by one at intervals; once one of these goes through, all are tried.
 */
export class Refusals {
  readonly #tree: SyncReplica;
  readonly #clock: Clock;
  readonly #timings: SyncTimings;
  #operationsMax: number;
  #heldInARow = 0;
  #pausedUntilMs = 0;
  #retryAtMs = 0;
  #retried = new Set<InodeId>();
  #reason = '';

  constructor(tree: SyncReplica, clock: Clock, timings: SyncTimings) {
    this.#tree = tree;
    this.#clock = clock;
    this.#timings = timings;
    this.#operationsMax = timings.operationsMax;
  }

  /** How large the next plan may be, and in which order it is made. */
  get operationsMax(): number {
    return this.#operationsMax;
  }

  get order(): PlanOrder {
    return this.#operationsMax < this.#timings.operationsMax ? 'removalsFirst' : 'oldestFirst';
  }

  /** Before, nothing is sent: a server that refuses everything is not pressed. */
  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  /** When something that is held back is to be tried again. */
  get retryAtMs(): number {
    return this.#tree.heldBack().length === 0 ? Infinity : this.#retryAtMs;
  }

  /** What the user is to know: why the server refused what is held back, and what that is. */
  describe(): string | null {
    const held = this.#tree.heldBack();
    if (held.length === 0) return null;
    const paths = held.flatMap((ino) => this.#tree.pathOf(ino) ?? []);
    const more = paths.length > pathsNamedMax ? ` and ${paths.length - pathsNamedMax} more` : '';
    const named = paths.slice(0, pathsNamedMax).join(', ');
    return `${this.#reason} (held back and tried again: ${named === '' ? 'a removal' : named}${more})`;
  }

  /** Takes a plan back that was refused for good, and sees to it that the next one is another. */
  refused(plan: PlannedCommit, error: DriveError): void {
    this.#tree.abandonPlan(plan);
    if (plan.operations.length > 1 && this.#operationsMax > 1) {
      this.#operationsMax = Math.max(1, Math.floor(Math.min(plan.operations.length, this.#operationsMax) / 2));
      return;
    }
    const nowMs = this.#clock.nowMs();
    if (this.#tree.heldBack().length === 0) this.#retryAtMs = nowMs + this.#timings.refusedMs;
    this.#tree.holdBack(plan, blocksMayLack.has(error.code));
    this.#reason = `${error.code}: ${error.message}`;
    this.#pausedUntilMs = nowMs + Math.min(pauseMsMax, pauseMsMin * 2 ** this.#heldInARow);
    this.#heldInARow += 1;
  }

  committed(plan: PlannedCommit): void {
    this.#operationsMax = Math.min(this.#timings.operationsMax, this.#operationsMax * 2);
    this.#heldInARow = 0;
    const isPromising = plan.operations.some(({ type, inode }) => type === 'unlink' || this.#retried.has(inode));
    if (isPromising) this.#tree.releaseHeldBack('all');
  }

  /** Lets one thing that is held back be planned again, if that is due; returns whether it did. */
  retry(): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.retryAtMs) return false;
    this.#retried = new Set(this.#tree.releaseHeldBack('oldest'));
    this.#retryAtMs = nowMs + this.#timings.refusedMs;
    return true;
  }
}
