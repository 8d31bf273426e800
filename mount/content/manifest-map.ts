import type { BlockHash } from '../../protocol/ids.ts';
import { isHole } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';

/** One entry of a manifest at its place in the file. */
export interface Stretch {
  readonly offset: number;
  readonly length: number;
  /** `null`: a hole. */
  readonly hash: BlockHash | null;
}

/** A manifest with the offsets of its entries, so that the blocks of a range are found without a walk. */
export class ManifestMap {
  readonly manifest: Manifest;
  readonly size: number;
  readonly #offsets: Float64Array;

  constructor(manifest: Manifest) {
    this.manifest = manifest;
    this.#offsets = new Float64Array(manifest.entries.length);
    let at = 0;
    manifest.entries.forEach((entry, i) => {
      this.#offsets[i] = at;
      at += entry.length;
    });
    this.size = at;
  }

  /** The entries that overlap `[start, end)`, whole, in order. */
  stretches(start: number, end: number): Stretch[] {
    const out: Stretch[] = [];
    for (let i = this.#indexAt(start); i < this.manifest.entries.length; i += 1) {
      const entry = this.manifest.entries[i];
      const offset = this.#offsets[i];
      if (entry === undefined || offset === undefined || offset >= end) break;
      out.push({ offset, length: entry.length, hash: isHole(entry) ? null : entry.hash });
    }
    return out;
  }

  /** The index of the entry that holds `offset`. */
  #indexAt(offset: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}
