import type { Clock, Randomness } from '../protocol/environment.ts';
import { DriveError } from '../protocol/errors.ts';
import type { ObjectBody, ObjectInfo, ObjectRange, ObjectStore } from './object-store.ts';

/** How often each thing goes wrong: probabilities from 0 to 1, 0 where left out. */
export interface FaultRates {
  /** A call fails with `unavailable` and has done nothing. */
  readonly errorBefore?: number;
  /** A call fails with `unavailable` after it has done all it was asked to: the reply was lost. */
  readonly errorAfter?: number;
  /** After a piece of a read, the rest fails with `unavailable`. */
  readonly broken?: number;
  /** After an entry of a listing, the rest fails with `unavailable`. */
  readonly listingBroken?: number;
  /** Before a piece of a read, it ends as if it were complete, against the contract. */
  readonly truncated?: number;
  /** A piece of a read has one bit changed. */
  readonly flipped?: number;
  /** A call waits before it does anything. */
  readonly delayed?: number;
}

/**
 * Makes a store misbehave as networks, disks and servers do, as its randomness decides: a seeded one repeats the same
 * faults for the same calls. For tests, the simulation, and trying out how a deployment bears trouble.
 */
export class FaultyStore implements ObjectStore {
  /** May be changed at any time. */
  rates: FaultRates;
  /** How many faults there were. */
  faults = 0;
  readonly #store: ObjectStore;
  readonly #environment: { readonly clock: Clock; readonly randomness: Randomness };
  readonly #delayMsMax: number;

  constructor(
    store: ObjectStore,
    environment: { readonly clock: Clock; readonly randomness: Randomness },
    rates: FaultRates,
    delayMsMax = 100,
  ) {
    this.#store = store;
    this.#environment = environment;
    this.rates = rates;
    this.#delayMsMax = delayMsMax;
  }

  async put(key: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    await this.#disturb(key, signal, () => this.#store.put(key, body, signal));
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    await this.#disturb(key, signal, () => this.#store.delete(key, signal));
  }

  async head(key: string, signal?: AbortSignal): Promise<ObjectInfo> {
    return this.#disturb(key, signal, () => this.#store.head(key, signal));
  }

  async *get(key: string, range?: ObjectRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    await this.#before(key, signal);
    for await (const piece of this.#store.get(key, range, signal)) {
      if (this.#happens('truncated')) return;
      yield this.#happens('flipped') ? this.#flip(piece) : piece;
      if (this.#happens('broken')) throw fault(key, 'the connection broke');
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    await this.#before(prefix, signal);
    for await (const info of this.#store.list(prefix, signal)) {
      yield info;
      if (this.#happens('listingBroken')) throw fault(prefix, 'the connection broke');
    }
  }

  async #disturb<Result>(key: string, signal: AbortSignal | undefined, call: () => Promise<Result>): Promise<Result> {
    await this.#before(key, signal);
    const result = await call();
    if (this.#happens('errorAfter')) throw fault(key, 'the reply was lost');
    return result;
  }

  async #before(key: string, signal: AbortSignal | undefined): Promise<void> {
    if (this.#happens('delayed')) {
      await this.#environment.clock.sleep(this.#chance() * this.#delayMsMax, signal).catch((reason: unknown) => {
        throw new DriveError('cancelled', `the call on object ${key} was given up`, { cause: reason });
      });
    }
    if (this.#happens('errorBefore')) throw fault(key, 'the store did not answer');
  }

  #flip(piece: Uint8Array): Uint8Array {
    const flipped = Uint8Array.from(piece);
    const bit = Math.floor(this.#chance() * flipped.length * 8);
    const at = bit >> 3;
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
    return flipped;
  }

  #happens(kind: keyof FaultRates): boolean {
    const rate = this.rates[kind] ?? 0;
    const happens = rate > 0 && this.#chance() < rate;
    if (happens) this.faults++;
    return happens;
  }

  #chance(): number {
    return Buffer.from(this.#environment.randomness.bytes(4)).readUInt32LE() / 2 ** 32;
  }
}

function fault(key: string, what: string): DriveError {
  return new DriveError('unavailable', `injected fault on object ${key}: ${what}`);
}
