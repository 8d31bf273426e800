import type { Randomness } from '../../protocol/environment.ts';

/** Waits that double from `minMs` to `maxMs`, each cut to a random part of its upper half so that clients spread. */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #randomness: Randomness;
  #failures = 0;

  constructor(minMs: number, maxMs: number, randomness: Randomness) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#randomness = randomness;
  }

  /** How long to wait after one more failure. */
  nextMs(): number {
    const ceiling = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    const fraction = (this.#randomness.bytes(1)[0] ?? 0) / 256;
    return Math.round(ceiling * (0.5 + fraction / 2));
  }

  reset(): void {
    this.#failures = 0;
  }
}
