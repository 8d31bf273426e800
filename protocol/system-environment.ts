import { randomBytes } from 'node:crypto';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Clock, Randomness } from './environment.ts';

/** The machine's wall-clock. Nanoseconds are derived from the monotonic clock, so they never repeat a millisecond's zeros. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  nowNs: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n,
  sleep: async (ms, signal) => {
    await sleepFor(ms, undefined, signal === undefined ? {} : { signal });
  },
};

/** The operating system's cryptographic generator. */
export const systemRandomness: Randomness = { bytes: (length) => randomBytes(length) };
