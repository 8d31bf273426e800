import { PiecePool } from './piece-buffer.ts';

/**
 * The memory of all packs of a store together, those being filled and those on their way. It has a bound however many requests
 * there are: once it is used up, requests wait for packs on their way, and where there are none they close their packs early. So
 * nobody waits for a client, which may never send the rest of its blocks.
 */
export class PackMemory {
  readonly pool: PiecePool;
  readonly #bytesMax: number;
  #heldBytes = 0;
  #packsUnderWay = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.pool = new PiecePool(bytesMax / 2);
  }

  /** Whether packs should be sent on as they are, rather than filled. */
  get usedUp(): boolean {
    return this.#heldBytes >= this.#bytesMax;
  }

  /** Waits until there is room, or nothing is under way that would make some. */
  async room(): Promise<void> {
    while (this.usedUp && this.#packsUnderWay > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#wake();
  }

  /** Runs `work`, which sends a pack on. */
  async sending(work: () => Promise<void>): Promise<void> {
    this.#packsUnderWay += 1;
    try {
      await work();
    } finally {
      this.#packsUnderWay -= 1;
      this.#wake();
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
