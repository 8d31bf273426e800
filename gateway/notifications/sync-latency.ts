import { LRUCache } from 'lru-cache';
import type { Clock } from '../../protocol/environment.ts';
import type { DeviceId } from '../../protocol/ids.ts';
import type { Notification } from '../../protocol/notifications.ts';

/** Upper bounds of the histogram's classes in milliseconds; above the last is one more class. */
export const latencyBoundsMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000] as const;

/** Commits whose application is still awaited. Later ones push out the oldest, whose latency is then not measured. */
const commitsMax = 10_000;

/** How long it took from a commit's acknowledgement until another device had applied it. */
export class SyncLatency {
  readonly #clock: Clock;
  readonly #commits = new LRUCache<string, { readonly atMs: number; author: DeviceId | null }>({ max: commitsMax });
  readonly #counts: number[] = new Array<number>(latencyBoundsMs.length + 1).fill(0);
  #sumMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  committed(commit: Notification): void {
    this.#commits.set(keyOf(commit), { atMs: this.#clock.nowMs(), author: null });
  }

  /** Its author need not be told of it, so that device's "applied" measures nothing. */
  committedBy(commit: Notification, author: DeviceId | null): void {
    const known = this.#commits.peek(keyOf(commit));
    if (known !== undefined) known.author ??= author;
  }

  applied(commit: Notification, device: DeviceId | null): void {
    const known = this.#commits.peek(keyOf(commit));
    if (known === undefined || (device !== null && known.author === device)) return;
    const latencyMs = Math.max(0, this.#clock.nowMs() - known.atMs);
    const place = latencyBoundsMs.findIndex((bound) => latencyMs <= bound);
    const index = place < 0 ? latencyBoundsMs.length : place;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sumMs += latencyMs;
  }

  /** `counts[i]` is how many took at most `boundsMs[i]` and more than the bound before; the last is of the rest. */
  snapshot(): {
    readonly boundsMs: readonly number[];
    readonly counts: readonly number[];
    readonly count: number;
    readonly sumMs: number;
  } {
    const count = this.#counts.reduce((sum, one) => sum + one, 0);
    return { boundsMs: latencyBoundsMs, counts: [...this.#counts], count, sumMs: this.#sumMs };
  }
}

function keyOf({ namespace, cursor }: Notification): string {
  return `${namespace} ${cursor}`;
}
