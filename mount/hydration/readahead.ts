import type { ByteRange } from '../content/content-store.ts';

const windowBytesMin = 1024 * 1024;
const windowBytesMax = 32 * 1024 * 1024;
/** The kernel issues its own readahead in pieces that may come out of order by this much. */
const reorderBytesMax = 1024 * 1024;

/** Watches the reads of one open file and says what to hydrate ahead: more the longer they are sequential. */
export class Readahead {
  #expectedOffset = 0;
  #windowBytes = 0;
  /** Up to where hydration was asked for. */
  #aheadEnd = 0;

  /** A read was made; returns what to hydrate in the background, if anything. */
  next(offset: number, length: number): ByteRange | undefined {
    const end = offset + length;
    const isSequential = Math.abs(offset - this.#expectedOffset) <= reorderBytesMax;
    this.#expectedOffset = isSequential ? Math.max(end, this.#expectedOffset) : end;
    if (!isSequential) {
      this.#windowBytes = 0;
      this.#aheadEnd = end;
      return undefined;
    }
    const left = this.#aheadEnd - end;
    if (left > this.#windowBytes / 2) return undefined;
    this.#windowBytes = Math.min(windowBytesMax, Math.max(windowBytesMin, this.#windowBytes * 2));
    const start = Math.max(end, this.#aheadEnd);
    this.#aheadEnd = end + this.#windowBytes;
    return start < this.#aheadEnd ? { start, end: this.#aheadEnd } : undefined;
  }
}
