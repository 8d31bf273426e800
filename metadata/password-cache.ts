import { createHmac } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Caller } from '../protocol/accounts.ts';
import type { Clock, Randomness } from '../protocol/environment.ts';

const entriesMax = 1_000;
const lifetimeMs = 60_000;

/**
 * Remembers for a minute that a name and password were right, since WebDAV clients send both with every request
 * and each check costs a tenth of a second. Keyed by a hash under a key of this process, so that a memory dump
 * tells no password.
 */
export class PasswordCache {
  readonly #clock: Clock;
  readonly #key: Uint8Array;
  readonly #callers = new LRUCache<string, { readonly caller: Caller; readonly expiresMs: number }>({
    max: entriesMax,
  });
  /** Under way. */
  readonly #checks = new Map<string, Promise<Caller>>();

  constructor(clock: Clock, randomness: Randomness) {
    this.#clock = clock;
    this.#key = randomness.bytes(32);
  }

  /**
   * Whose name and password these are: remembered, or found by `verify`. All who ask while it runs share what it finds or
   * throws, since a client with eight requests under way would have it computed for each, and each takes 32 MiB.
   */
  async caller(name: string, password: string, verify: () => Promise<Caller>): Promise<Caller> {
    const key = this.#keyOf(name, password);
    const known = this.#callers.get(key);
    if (known !== undefined && known.expiresMs > this.#clock.nowMs()) return known.caller;
    return this.#checks.get(key) ?? this.#check(key, verify);
  }

  /** Forgets all that would let `user` in; nobody joins a check that began before. */
  forget(user: Caller['user']): void {
    this.#checks.clear();
    for (const [key, entry] of this.#callers) if (entry.caller.user === user) this.#callers.delete(key);
  }

  #check(key: string, verify: () => Promise<Caller>): Promise<Caller> {
    const check = verify()
      .then((caller) => {
        const isCurrent = this.#checks.get(key) === check;
        if (isCurrent) this.#callers.set(key, { caller, expiresMs: this.#clock.nowMs() + lifetimeMs });
        return caller;
      })
      .finally(() => {
        if (this.#checks.get(key) === check) this.#checks.delete(key);
      });
    this.#checks.set(key, check);
    return check;
  }

  #keyOf(name: string, password: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([name, password]))
      .digest('base64url');
  }
}
