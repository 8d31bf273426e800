import type { Ino } from '../replica/local-inode.ts';
import type { LedgerRow } from './content-ledger.ts';
import type { ByteRange } from './content-store.ts';

/** What the disk has of a file: nothing, claims that are right as they stand, or that anything local may be dirty. */
export type RecordOnDisk = 'nothing' | 'exact' | 'inexact';

/** What changes of a clean file without a change of its bytes. */
export type RowUse = Pick<LedgerRow, 'usedMs' | 'byteLength'>;

interface PendingRow {
  row: LedgerRow;
  readonly onDisk: RecordOnDisk;
}

/** What was recorded since the last commit of the ledger, each file's last state only. */
export class PendingRows {
  readonly #rows = new Map<number, PendingRow>();
  readonly #byIno = new Map<Ino, number>();
  readonly #deleted = new Set<number>();
  readonly #arrivals = new Map<number, ByteRange[]>();
  readonly #used = new Map<number, RowUse>();
  /** How many things wait. */
  size = 0;

  get(generation: number): LedgerRow | undefined {
    return this.#rows.get(generation)?.row;
  }

  byIno(ino: Ino): LedgerRow | undefined {
    const generation = this.#byIno.get(ino);
    return generation === undefined ? undefined : this.get(generation);
  }

  /** Whether the disk's row of a file is not what holds any more. */
  supersedes(generation: number): boolean {
    return this.#rows.has(generation) || this.#deleted.has(generation);
  }

  /** A file's whole row. */
  put(row: LedgerRow, readOnDisk: () => RecordOnDisk): void {
    const before = this.#rows.get(row.generation);
    if (before !== undefined && this.#byIno.get(before.row.ino) === row.generation) this.#byIno.delete(before.row.ino);
    const other = this.#byIno.get(row.ino);
    if (other !== undefined) this.delete(other);
    this.#rows.set(row.generation, { row, onDisk: before?.onDisk ?? readOnDisk() });
    this.#byIno.set(row.ino, row.generation);
    this.#arrivals.delete(row.generation);
    this.#used.delete(row.generation);
    this.size += 1;
  }

  /** Changes a row that is in here; returns what the disk has of the file, or `undefined` if it is not in here. */
  amend(generation: number, change: Partial<LedgerRow>): RecordOnDisk | undefined {
    const pending = this.#rows.get(generation);
    if (pending === undefined) return undefined;
    pending.row = { ...pending.row, ...change };
    return pending.onDisk;
  }

  delete(generation: number): void {
    const pending = this.#rows.get(generation);
    if (pending !== undefined) {
      this.#rows.delete(generation);
      if (this.#byIno.get(pending.row.ino) === generation) this.#byIno.delete(pending.row.ino);
    }
    this.#arrivals.delete(generation);
    this.#used.delete(generation);
    if (pending?.onDisk !== 'nothing') this.#deleted.add(generation);
    this.size += 1;
  }

  touch(generation: number, use: RowUse): void {
    if (this.amend(generation, use) === undefined) this.#used.set(generation, use);
    this.size += 1;
  }

  arrive(generation: number, range: ByteRange): void {
    const ranges = this.#arrivals.get(generation);
    if (ranges === undefined) this.#arrivals.set(generation, [range]);
    else ranges.push(range);
    this.size += 1;
  }

  arrivals(generation: number): readonly ByteRange[] {
    return this.#arrivals.get(generation) ?? [];
  }

  /** Hands everything over in the order in which it must be written. */
  writeTo(target: {
    delete(generation: number): void;
    put(row: LedgerRow): void;
    arrive(generation: number, range: ByteRange): void;
    touch(generation: number, use: RowUse): void;
  }): void {
    for (const generation of this.#deleted) target.delete(generation);
    for (const { row } of this.#rows.values()) target.put(row);
    for (const [generation, ranges] of this.#arrivals) for (const range of ranges) target.arrive(generation, range);
    for (const [generation, use] of this.#used) target.touch(generation, use);
  }

  clear(): void {
    for (const each of [this.#rows, this.#byIno, this.#deleted, this.#arrivals, this.#used]) each.clear();
    this.size = 0;
  }
}
