import { RangeSet } from './range-set.ts';

/**
 * What was written and is not committed, in epochs: one ends where a drain begins to read. When that drain is
 * committed its epochs are forgotten, and what was written since stays.
 */
export class DirtyRanges {
  /** In order; the last is the open one. `after`: the sequence of the last change before the epoch. */
  #epochs: { after: number; readonly ranges: RangeSet }[];

  constructor(ranges: RangeSet) {
    this.#epochs = [{ after: 0, ranges }];
  }

  add(start: number, end: number): void {
    this.#epochs.at(-1)?.ranges.add(start, end);
  }

  remove(start: number, end: number): void {
    for (const epoch of this.#epochs) epoch.ranges.remove(start, end);
  }

  clear(): void {
    this.#epochs = [{ after: 0, ranges: new RangeSet() }];
  }

  /** What is written from now on comes after change `sequence`. */
  startEpoch(sequence: number): void {
    const last = this.#epochs.at(-1);
    if (last !== undefined && last.ranges.isEmpty) last.after = sequence;
    else this.#epochs.push({ after: sequence, ranges: new RangeSet() });
  }

  /** Forgets the epochs that hold nothing later than change `sequence`. */
  settle(sequence: number): void {
    const firstKept = this.#epochs.findLastIndex((epoch) => epoch.after <= sequence);
    if (firstKept > 0) this.#epochs = this.#epochs.slice(firstKept);
  }

  union(): RangeSet {
    const [first, ...rest] = this.#epochs;
    const all = first === undefined ? new RangeSet() : first.ranges.clone();
    for (const epoch of rest) all.addAll(epoch.ranges);
    return all;
  }
}
