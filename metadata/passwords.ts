import { createHash, scrypt, timingSafeEqual } from 'node:crypto';
import type { Randomness } from '../protocol/environment.ts';
import { DriveError } from '../protocol/errors.ts';

/** Hashes computed at once; each holds memory (128 · r · N bytes, RFC 7914 §2) and a thread. */
const concurrentMax = 2;
const waitingMax = 64;
const keyBytes = 32;
const saltBytes = 16;
const blockSize = 8;

/**
 * Passwords as scrypt hashes (RFC 7914) with their parameters: `scrypt$N$r$p$salt$key`, so that the cost can be
 * raised later. Few are computed at a time and a bounded number waits; beyond it is `rateLimited`.
 */
export class Passwords {
  readonly #randomness: Randomness;
  readonly #cost: number;
  readonly #decoy: string;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** `cost` is scrypt's N, a power of two. */
  constructor(randomness: Randomness, cost: number) {
    this.#randomness = randomness;
    this.#cost = cost;
    const nothing = Buffer.alloc(saltBytes).toString('base64url');
    this.#decoy = `scrypt$${cost}$${blockSize}$1$${nothing}$${Buffer.alloc(keyBytes).toString('base64url')}`;
  }

  async hash(password: string): Promise<string> {
    const salt = Buffer.from(this.#randomness.bytes(saltBytes));
    const key = await this.#derive(password, salt, this.#cost, blockSize, 1);
    return `scrypt$${this.#cost}$${blockSize}$1$${salt.toString('base64url')}$${key.toString('base64url')}`;
  }

  /** Whether `password` is the one of `stored`; without `stored` it is `false` and takes as long. */
  async verify(password: string, stored: string | undefined): Promise<boolean> {
    const [, cost, size, parallel, salt = '', key = ''] = (stored ?? this.#decoy).split('$');
    const wanted = Buffer.from(key, 'base64url');
    const parameters = [Number(cost), Number(size), Number(parallel)] as const;
    const derived = await this.#derive(password, Buffer.from(salt, 'base64url'), ...parameters);
    return timingSafeEqual(derived, wanted) && stored !== undefined;
  }

  async #derive(password: string, salt: Buffer, N: number, r: number, p: number): Promise<Buffer> {
    await this.#enter();
    try {
      return await new Promise((resolve, reject) => {
        scrypt(password, salt, keyBytes, { N, r, p, maxmem: 256 * N * r + 2 ** 20 }, (error, key) => {
          if (error === null) resolve(key);
          else reject(error);
        });
      });
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#running < concurrentMax) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= waitingMax) {
      throw new DriveError('rateLimited', 'too many logins are under way; try again in a moment');
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}

/** 256 random bits for a device token or an app password, in base64url. */
export function makeSecret(randomness: Randomness): string {
  return Buffer.from(randomness.bytes(32)).toString('base64url');
}

/** How a secret is stored: it has the full strength of its length, so one round of SHA-256 suffices. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
