const pieceBytesMin = 64 * 1024;
const pieceBytesMax = 1024 * 1024;

/**
 * A growing run of bytes in a few pieces: what is appended is copied once, and nothing is copied again to grow or to
 * hand it out.
 */
export class PieceBuffer {
  readonly #full: Uint8Array[] = [];
  #piece: Uint8Array = new Uint8Array(0);
  #used = 0;
  #byteLength = 0;

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

  #grow(wanted: number): void {
    if (this.#used > 0) this.#full.push(this.#piece);
    const size = Math.min(pieceBytesMax, Math.max(pieceBytesMin, this.#byteLength, wanted));
    this.#piece = Buffer.allocUnsafeSlow(size);
    this.#used = 0;
  }
}
