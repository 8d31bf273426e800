import { LRUCache } from 'lru-cache';
import type { Clock } from '../protocol/environment.ts';
import { DriveError } from '../protocol/errors.ts';

const keysMax = 20_000;

export interface FailureLimiterOptions {
  readonly clock: Clock;
  readonly windowMs: number;
}

/** Counts failures by key in windows of time, so that secrets cannot be guessed at speed. Its memory is bounded. */
export class FailureLimiter {
  readonly #options: FailureLimiterOptions;
  readonly #windows = new LRUCache<string, { failures: number; readonly startMs: number }>({ max: keysMax });

  constructor(options: FailureLimiterOptions) {
    this.#options = options;
  }

  /** Throws `rateLimited` if `key` has failed `failuresMax` times in its window. */
  check(key: string, failuresMax: number): void {
    const window = this.#windows.get(key);
    if (window === undefined || window.failures < failuresMax) return;
    const waitMs = window.startMs + this.#options.windowMs - this.#options.clock.nowMs();
    if (waitMs <= 0) return;
    const seconds = Math.ceil(waitMs / 1000);
    throw new DriveError('rateLimited', `too many failed log-ins; try again in ${seconds} s`);
  }

  failed(key: string): void {
    const nowMs = this.#options.clock.nowMs();
    const window = this.#windows.get(key);
    if (window !== undefined && nowMs < window.startMs + this.#options.windowMs) window.failures += 1;
    else this.#windows.set(key, { failures: 1, startMs: nowMs });
  }

  succeeded(key: string): void {
    this.#windows.delete(key);
  }
}
