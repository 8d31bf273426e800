import type { Clock } from '../../protocol/environment.ts';

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly fire: () => void;
}

const startMs = 1_763_800_000_000;

/**
 * Time that only passes when nothing is left to do: the next timer fires once all promises have settled. Timers due
 * at the same moment fire in the order they were set, so a run hangs on its seed alone.
 */
export class VirtualTime implements Clock {
  #nowMs = startMs;
  #ticks = 0n;
  #order = 0;
  #timers: Timer[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  /** Never the same twice, as two changes are never at the very same time. */
  nowNs(): bigint {
    this.#ticks += 1n;
    return BigInt(this.#nowMs) * 1_000_000n + (this.#ticks % 1_000_000n);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
        reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
      };
      const timer: Timer = {
        dueMs: this.#nowMs + Math.max(0, ms),
        order: this.#order++,
        fire: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      if (signal?.aborted === true) {
        reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
        return;
      }
      signal?.addEventListener('abort', abort, { once: true });
      this.#timers.push(timer);
    });
  }

  at(ms: number, action: () => void): void {
    this.#timers.push({ dueMs: this.#nowMs + ms, order: this.#order++, fire: action });
  }

  /** Lets time pass until `done` has settled; throws if that takes more than `stepsMax` timers. */
  async run<Result>(done: Promise<Result>, stepsMax = 200_000): Promise<Result> {
    let isSettled = false;
    done.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    await settlePromises();
    for (let step = 0; !isSettled; step += 1) {
      if (step >= stepsMax) throw new Error('the simulation does not come to an end');
      const timer = this.#next();
      if (timer === undefined) throw new Error('the simulation waits for nothing');
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.fire();
      await settlePromises();
    }
    return done;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) {
        next = timer;
      }
    }
    if (next !== undefined) this.#timers = this.#timers.filter((each) => each !== next);
    return next;
  }
}

/** Everything in the simulation is done by promises, which have all settled when an immediate runs. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
