import type { ContentLedger, LedgerRow } from './content-ledger.ts';

/** Which content file holds a committed version. */
export type SettledFile = Pick<LedgerRow, 'generation' | 'ino' | 'sourceVersion'>;

/** The others would save little, and cost as much to look at. */
const filesMax = 4_096;

/** Content files whose blocks are named by a manifest and that nobody was told of yet: donors of blocks for others. */
export class SettledFiles {
  readonly #ledger: ContentLedger;
  #settled = new Map<number, SettledFile>();
  #isFirst = true;

  constructor(ledger: ContentLedger) {
    this.#ledger = ledger;
  }

  add(file: SettledFile): void {
    this.#settled.delete(file.generation);
    this.#settled.set(file.generation, file);
    for (const oldest of this.#settled.keys()) {
      if (this.#settled.size <= filesMax) break;
      this.#settled.delete(oldest);
    }
  }

  /** At the first call the largest files that are there, later what was settled since the last one. */
  take(): Iterable<SettledFile> {
    if (this.#isFirst) {
      this.#isFirst = false;
      this.#settled.clear();
      return this.#ledger.largest(filesMax);
    }
    if (this.#settled.size === 0) return [];
    const taken = this.#settled;
    this.#settled = new Map();
    return taken.values();
  }
}
