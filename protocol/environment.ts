/** What a part may know of the world, injected so that a seed reproduces a failure. */

/** Wall-clock and timers. Tests and the simulation pass their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Nanoseconds since the epoch, for time stamps of files. */
  nowNs(): bigint;
  /** Resolves after `ms`, or rejects with the signal's reason if it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A source of random bytes. Production uses the system's; keys must never come from any other. */
export interface Randomness {
  bytes(length: number): Uint8Array;
}
