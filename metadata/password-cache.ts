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

  constructor(clock: Clock, randomness: Randomness) {
    this.#clock = clock;
    this.#key = randomness.bytes(32);
  }

  get(name: string, password: string): Caller | undefined {
    const found = this.#callers.get(this.#keyOf(name, password));
    return found !== undefined && found.expiresMs > this.#clock.nowMs() ? found.caller : undefined;
  }

  remember(name: string, password: string, caller: Caller): void {
    this.#callers.set(this.#keyOf(name, password), { caller, expiresMs: this.#clock.nowMs() + lifetimeMs });
  }

  /** Forgets all that would let `user` in. */
  forget(user: Caller['user']): void {
    for (const [key, entry] of this.#callers) if (entry.caller.user === user) this.#callers.delete(key);
  }

  #keyOf(name: string, password: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([name, password]))
      .digest('base64url');
  }
}
