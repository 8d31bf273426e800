import type { ByteRange } from './content-store.ts';

/**
 * A set of bytes of one file, kept as sorted ranges that neither overlap nor touch. Adding and removing cost the
 * logarithm of the number of ranges plus what they merge; sequential writing stays one range.
 */
export class RangeSet {
  /** `[start0, end0, start1, end1, …]`, strictly rising. */
  #bounds: number[];

  /** `bounds` as `toBounds` gave it. */
  constructor(bounds: readonly number[] = []) {
    this.#bounds = [...bounds];
  }

  get isEmpty(): boolean {
    return this.#bounds.length === 0;
  }

  /** How many bytes are in the set. */
  get byteLength(): number {
    let total = 0;
    for (let i = 0; i < this.#bounds.length; i += 2) total += this.#at(i + 1) - this.#at(i);
    return total;
  }

  add(start: number, end: number): void {
    if (end <= start) return;
    const bounds = this.#bounds;
    // The common case, appending, touches only the last range.
    const last = bounds.length - 1;
    if (last < 0 || start > this.#at(last)) {
      bounds.push(start, end);
      return;
    }
    if (start === this.#at(last)) {
      bounds[last] = end;
      return;
    }
    const from = this.#firstBound((bound) => bound >= start);
    const to = this.#firstBound((bound) => bound > end);
    // An even index lies outside of every range: the new bound is needed there; at an odd one a range goes on.
    const fresh: number[] = [];
    if (from % 2 === 0) fresh.push(start);
    if (to % 2 === 0) fresh.push(end);
    bounds.splice(from, to - from, ...fresh);
  }

  remove(start: number, end: number): void {
    if (end <= start) return;
    const from = this.#firstBound((bound) => bound >= start);
    const to = this.#firstBound((bound) => bound > end);
    const fresh: number[] = [];
    if (from % 2 === 1) fresh.push(start);
    if (to % 2 === 1) fresh.push(end);
    this.#bounds.splice(from, to - from, ...fresh);
    this.#dropEmpty(from);
  }

  addAll(other: RangeSet): void {
    for (const range of other.ranges()) this.add(range.start, range.end);
  }

  clear(): void {
    this.#bounds = [];
  }

  has(offset: number): boolean {
    return this.#firstBound((bound) => bound > offset) % 2 === 1;
  }

  /** Whether every byte of `[start, end)` is in the set; true of an empty range. */
  covers(start: number, end: number): boolean {
    if (end <= start) return true;
    const next = this.#firstBound((bound) => bound > start);
    return next % 2 === 1 && this.#at(next) >= end;
  }

  /** What of `[start, end)` is not in the set. */
  missing(start: number, end: number): ByteRange[] {
    const out: ByteRange[] = [];
    let at = start;
    for (const range of this.within(start, end)) {
      if (range.start > at) out.push({ start: at, end: range.start });
      at = range.end;
    }
    if (at < end) out.push({ start: at, end });
    return out;
  }

  /** What of `[start, end)` is in the set. */
  within(start: number, end: number): ByteRange[] {
    const out: ByteRange[] = [];
    let i = this.#firstBound((bound) => bound > start);
    if (i % 2 === 1) i -= 1;
    for (; i < this.#bounds.length && this.#at(i) < end; i += 2) {
      const range = { start: Math.max(start, this.#at(i)), end: Math.min(end, this.#at(i + 1)) };
      if (range.start < range.end) out.push(range);
    }
    return out;
  }

  /** The ranges of the set less `others`. */
  without(others: readonly ByteRange[]): ByteRange[] {
    const rest = this.clone();
    for (const { start, end } of others) rest.remove(start, end);
    return rest.ranges();
  }

  ranges(): ByteRange[] {
    const out: ByteRange[] = [];
    for (let i = 0; i < this.#bounds.length; i += 2) out.push({ start: this.#at(i), end: this.#at(i + 1) });
    return out;
  }

  clone(): RangeSet {
    return new RangeSet(this.#bounds);
  }

  /** A flat form for storing: `[start0, end0, start1, end1, …]`. */
  toBounds(): number[] {
    return [...this.#bounds];
  }

  #at(index: number): number {
    return this.#bounds[index] ?? Infinity;
  }

  /** The index of the first bound for which `test`, which is false and then true along the bounds, holds. */
  #firstBound(test: (bound: number) => boolean): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (test(this.#at(middle))) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Cutting exactly at a range's bound leaves an empty range around `index`; takes it away. */
  #dropEmpty(index: number): void {
    for (let i = Math.max(0, (index - 2) & ~1); i + 1 < this.#bounds.length && i <= index + 2;) {
      if (this.#at(i) === this.#at(i + 1)) this.#bounds.splice(i, 2);
      else i += 2;
    }
  }
}
