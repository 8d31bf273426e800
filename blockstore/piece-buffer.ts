const pieceBytesMin = 64 * 1024;
const pieceBytesMax = 1024 * 1024;

/**
 * Keeps pieces of memory that were used, to be used again. What is freed at the rate of an upload would otherwise wait for the
 * garbage collector, which lets tens of megabytes of it gather before it looks.
 */
export class PiecePool {
  readonly #piecesMax: number;
  readonly #free: Uint8Array[] = [];

  /** Keeps at most `bytesMax` bytes. */
  constructor(bytesMax: number) {
    this.#piecesMax = Math.floor(bytesMax / pieceBytesMax);
  }

  /** A piece of at least `bytesMin` bytes, with anything in it. */
  take(bytesMin: number): Uint8Array {
    if (bytesMin < pieceBytesMax) return Buffer.allocUnsafeSlow(bytesMin);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(pieceBytesMax);
  }

  /** Takes back a piece that nobody reads or writes any more. */
  giveBack(piece: Uint8Array): void {
    if (piece.length === pieceBytesMax && this.#free.length < this.#piecesMax) this.#free.push(piece);
  }
}

/**
 * A growing run of bytes in a few pieces: what is appended is copied once, and nothing is copied again to grow or to
 * hand it out.
 */
export class PieceBuffer {
  readonly #pool: PiecePool;
  readonly #full: Uint8Array[] = [];
  #piece: Uint8Array = new Uint8Array(0);
  #used = 0;
  #byteLength = 0;

  constructor(pool: PiecePool = new PiecePool(0)) {
    this.#pool = pool;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#used === this.#piece.length) this.#grow(bytes.length - at);
      const take = Math.min(bytes.length - at, this.#piece.length - this.#used);
      this.#piece.set(bytes.subarray(at, at + take), this.#used);
      this.#used += take;
      this.#byteLength += take;
      at += take;
    }
  }

  /** All bytes in order, in the buffer's own memory: not to be changed, nor the buffer after this. */
  pieces(): readonly Uint8Array[] {
    return this.#used === 0 ? this.#full : [...this.#full, this.#piece.subarray(0, this.#used)];
  }

  /** Gives the memory to the pool. The buffer is empty then, and what `pieces` returned must not be looked at. */
  recycle(): void {
    for (const piece of this.#full) this.#pool.giveBack(piece);
    this.#pool.giveBack(this.#piece);
    this.#full.length = 0;
    this.#piece = new Uint8Array(0);
    this.#used = 0;
    this.#byteLength = 0;
  }

  #grow(wanted: number): void {
    if (this.#used > 0) this.#full.push(this.#piece);
    const size = Math.min(pieceBytesMax, Math.max(pieceBytesMin, this.#byteLength, wanted));
    this.#piece = this.#pool.take(size);
    this.#used = 0;
  }
}
