import type { Clock, Randomness } from '../protocol/environment.ts';
import { asDriveError, DriveError, type DriveErrorCode } from '../protocol/errors.ts';
import {
  checkObjectKey,
  checkObjectRange,
  objectCallCancelled,
  type ObjectBody,
  type ObjectInfo,
  type ObjectRange,
  type ObjectStore,
} from './object-store.ts';

export interface RetryPolicy {
  /** Attempts without any progress before an error is passed on; at least 1. */
  readonly attemptsMax: number;
  /** The wait before the second attempt; it doubles with each further one. */
  readonly delayMsMin: number;
  readonly delayMsMax: number;
}

/** Gives up after about 6 seconds. */
export const defaultRetryPolicy: RetryPolicy = { attemptsMax: 7, delayMsMin: 100, delayMsMax: 3_000 };

const retryableCodes: ReadonlySet<DriveErrorCode> = new Set(['unavailable', 'timeout', 'rateLimited']);

/**
 * Tries again what failed for a reason that may pass. Objects never change, so every call may be repeated, and a read that
 * broke goes on where it stopped. Waits are exponential with half of each up to chance, so that many clients of a
 * store that comes back do not come at once.
 *
 * A read of a whole object asks for its length first, so that an end that comes too early is noticed.
 */
export class RetryingStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #environment: { readonly clock: Clock; readonly randomness: Randomness };
  readonly #policy: RetryPolicy;

  constructor(
    store: ObjectStore,
    environment: { readonly clock: Clock; readonly randomness: Randomness },
    policy: RetryPolicy = defaultRetryPolicy,
  ) {
    this.#store = store;
    this.#environment = environment;
    this.#policy = policy;
  }

  async put(key: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    await this.#retry(key, signal, () => this.#store.put(key, body, signal));
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    await this.#retry(key, signal, () => this.#store.delete(key, signal));
  }

  async head(key: string, signal?: AbortSignal): Promise<ObjectInfo> {
    return this.#retry(key, signal, () => this.#store.head(key, signal));
  }

  async *get(key: string, range?: ObjectRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    checkObjectKey(key);
    checkObjectRange(key, range);
    const { offset, length } = range ?? { offset: 0, length: (await this.head(key, signal)).byteLength };
    let given = 0;
    for (let attempt = 1; given < length; attempt++) {
      try {
        const rest = { offset: offset + given, length: length - given };
        for await (const piece of this.#store.get(key, rest, signal)) {
          given += piece.length;
          attempt = 1;
          yield piece;
        }
        if (given < length)
          throw new DriveError('unavailable', `object ${key} ended after ${given} of ${length} bytes`);
      } catch (error) {
        await this.#waitAfter(key, error, attempt, signal);
      }
    }
    if (given > length) throw new DriveError('internal', `object ${key} gave ${given} bytes instead of ${length}`);
  }

  /** A listing that broke starts again and leaves out what was given: it remembers the keys, about 100 bytes each. */
  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    const given = new Set<string>();
    for (let attempt = 1; ; attempt++) {
      try {
        for await (const info of this.#store.list(prefix, signal)) {
          if (given.has(info.key)) continue;
          given.add(info.key);
          attempt = 1;
          yield info;
        }
        return;
      } catch (error) {
        await this.#waitAfter(prefix, error, attempt, signal);
      }
    }
  }

  async #retry<Result>(key: string, signal: AbortSignal | undefined, call: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        await this.#waitAfter(key, error, attempt, signal);
      }
    }
  }

  /** Waits before the attempt after `attempt`, or throws `error` if there is to be none. */
  async #waitAfter(key: string, error: unknown, attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const { attemptsMax, delayMsMin, delayMsMax } = this.#policy;
    if (attempt >= attemptsMax || !retryableCodes.has(asDriveError(error).code)) throw error;
    const { clock, randomness } = this.#environment;
    const delayMs = Math.min(delayMsMax, delayMsMin * 2 ** (attempt - 1));
    const chance = Buffer.from(randomness.bytes(4)).readUInt32LE() / 2 ** 32;
    try {
      await clock.sleep(delayMs * (0.5 + chance / 2), signal);
    } catch (reason) {
      throw objectCallCancelled(key, reason);
    }
  }
}
