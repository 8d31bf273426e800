import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDriveError } from '../../protocol/errors.ts';
import type { Ino } from '../replica/local-inode.ts';
import type { ContentFile } from './content-file.ts';
import type { ContentLedger, LedgerRow } from './content-ledger.ts';
import { segmentBytes } from './segment-uses.ts';
import type { EvictableSegment } from './segment-uses.ts';

/** What a trimmer must know of the content files. */
export interface TrimmedFiles {
  readonly ledger: ContentLedger;
  /** Bytes of the local disk in use. */
  readonly usedBytes: number;
  nowMs(): number;
  isPinned(ino: Ino): boolean;
  isOpen(ino: Ino): boolean;
  openFiles(): Iterable<ContentFile>;
  /** The closed file of a row, in memory until `settleUnheld` or until it is deleted. */
  loadClosed(row: LedgerRow): ContentFile;
  deleteClosed(file: ContentFile): void;
  settleUnheld(file: ContentFile): void;
  /** Deletes a replaced content that nobody has open; returns whether there was one. */
  deleteDonor(): boolean;
}

interface OpenSegment extends EvictableSegment {
  readonly file: ContentFile;
}

/** Why a trim ended: little enough is used; it did as much as it may at a time; there is nothing left that may go. */
export type TrimEnd = 'enough' | 'more' | 'nothingLeft';

/** Once too much is used, so much of what may be used is made free at once, so that not every byte that comes needs a trim. */
const spareShare = 1 / 40;
/** So many files or groups of segments are evicted before others have their turn. */
const piecesPerTurn = 16;
/** Segments of one file that go at once, with one record in the ledger. */
const segmentsPerPiece = 16;
const rowsAtOnce = 32;
/** After a trim that found nothing, or that failed, what arrives does not start another for so long. */
const restMs = 100;

/**
 * Keeps the content files to a budget of the local disk's bytes: what was used longest ago goes first, files of at most one
 * segment as a whole and larger ones by segments, whether they are open or not. What is dirty, pinned, or needed by
 * somebody (`ContentFile.evictable`) stays, so that more than the budget is used if that alone is more.
 */
export class CacheTrimmer {
  readonly #files: TrimmedFiles;
  readonly #bytesMax: number;
  #running: Promise<void> | undefined;
  #restUntilMs = 0;
  #isClosed = false;

  constructor(files: TrimmedFiles, bytesMax: number) {
    this.#files = files;
    this.#bytesMax = bytesMax;
  }

  /** Something came onto the disk. */
  grew(): void {
    if (this.#files.usedBytes > this.#bytesMax && this.#files.nowMs() >= this.#restUntilMs) this.check();
  }

  /** Trims soon if too much is used; for when something became evictable. */
  check(): void {
    if (this.#isClosed || this.#files.usedBytes <= this.#bytesMax) return;
    this.#running ??= this.#work().finally(() => (this.#running = undefined));
  }

  /** Resolves when no trim is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  /** Evicts until at most `bytesMax` are used. Throws what the disk says if it does not even delete. */
  trim(bytesMax: number, piecesMax = Infinity): TrimEnd {
    const files = this.#files;
    const open = this.#openSegments();
    const closed = new ClosedFiles(files);
    for (let pieces = 0; files.usedBytes > bytesMax; pieces += 1) {
      if (pieces >= piecesMax) return 'more';
      if (files.deleteDonor()) continue;
      const [row, segment] = [closed.oldest(), open[0]];
      if (row !== undefined && (segment === undefined || row.usedMs <= segment.usedMs)) {
        const next = closed.after(row);
        const untilMs = Math.min(segment?.usedMs ?? Infinity, next?.usedMs ?? Infinity);
        this.#evictClosed(row, files.usedBytes - bytesMax, untilMs);
      } else if (segment !== undefined) {
        this.#evictOpen(open, files.usedBytes - bytesMax);
      } else {
        return 'nothingLeft';
      }
    }
    return 'enough';
  }

  async #work(): Promise<void> {
    try {
      let end: TrimEnd = 'more';
      while (end === 'more' && !this.#isClosed) {
        // Not in the turn in which something arrived: whoever waits for it reads it first.
        await nextTurn();
        if (!this.#isClosed) end = this.trim(this.#bytesMax * (1 - spareShare), piecesPerTurn);
      }
      if (end === 'nothingLeft') this.#restUntilMs = this.#files.nowMs() + restMs;
    } catch {
      // A disk that deletes nothing says so to whoever writes to it; what arrives next tries again.
      this.#restUntilMs = this.#files.nowMs() + restMs;
    }
  }

  #openSegments(): OpenSegment[] {
    const all: OpenSegment[] = [];
    for (const file of this.#files.openFiles()) {
      const segments = file.evictable();
      if (segments.length === 0 || this.#files.isPinned(file.ino)) continue;
      for (const segment of segments) all.push({ ...segment, file });
    }
    return all.sort((a, b) => a.usedMs - b.usedMs);
  }

  /** Evicts the first of `open`, and with it those of its file that follow, until `bytes` are free. */
  #evictOpen(open: OpenSegment[], bytes: number): void {
    const first = open[0];
    if (first === undefined) return;
    const others = open.findIndex(({ file }) => file !== first.file);
    const own = open.slice(0, others < 0 ? undefined : others);
    const taken = oldestOf(own.slice(0, segmentsPerPiece), bytes, Infinity);
    open.splice(0, taken.length);
    try {
      first.file.evict(taken.map(({ segment }) => segment));
    } catch (error) {
      // Without room for a record only whole files can go, and this one is open.
      if (!isDriveError(error, 'noSpace')) throw error;
    }
  }

  #evictClosed(row: LedgerRow, bytes: number, untilMs: number): void {
    const files = this.#files;
    const file = files.loadClosed(row);
    const segments = file.size > segmentBytes ? file.evictable() : [];
    const taken = oldestOf(segments, bytes, untilMs);
    const next = segments[taken.length];
    if (next === undefined) return files.deleteClosed(file);
    try {
      file.evict(taken.map(({ segment }) => segment));
      files.ledger.touch(file.generation, next.usedMs, file.localBytes);
      files.settleUnheld(file);
    } catch (error) {
      if (!isDriveError(error, 'noSpace')) throw error;
      // Without room for a record it can only go as a whole.
      files.deleteClosed(file);
    }
  }
}

/** The first of `segments`, at least one, until they have `bytes` or were used later than `untilMs`. */
function oldestOf<Segment extends EvictableSegment>(
  segments: readonly Segment[],
  bytes: number,
  untilMs: number,
): Segment[] {
  const taken: Segment[] = [];
  let sum = 0;
  for (const segment of segments) {
    if (taken.length > 0 && (sum >= bytes || segment.usedMs > untilMs)) break;
    taken.push(segment);
    sum += segment.localBytes;
  }
  return taken;
}

/** The clean closed files that are not pinned, those used longest ago first. */
class ClosedFiles {
  readonly #files: TrimmedFiles;
  readonly #pinned = new Set<number>();
  #rows: LedgerRow[] = [];

  constructor(files: TrimmedFiles) {
    this.#files = files;
  }

  oldest(): LedgerRow | undefined {
    return this.#first(undefined);
  }

  /** Takes `row`, the oldest, out of the line and returns the one behind it. */
  after(row: LedgerRow): LedgerRow | undefined {
    this.#rows.shift();
    return this.#first(row.generation);
  }

  #first(taken: number | undefined): LedgerRow | undefined {
    for (;;) {
      const [row] = this.#rows;
      if (row === undefined) {
        if (!this.#fetch(taken)) return undefined;
      } else if (this.#files.isPinned(row.ino)) {
        this.#rows.shift();
        this.#pinned.add(row.generation);
        this.#postpone(row);
      } else {
        return row;
      }
    }
  }

  #fetch(taken: number | undefined): boolean {
    const { ledger } = this.#files;
    const open = [...this.#files.openFiles()].length;
    const isFree = ({ ino, generation }: LedgerRow): boolean =>
      generation !== taken && !this.#pinned.has(generation) && !this.#files.isOpen(ino);
    this.#rows = ledger.leastRecentlyUsed(rowsAtOnce + this.#pinned.size + open).filter(isFree);
    return this.#rows.length > 0;
  }

  /** A pinned file goes to the end of the line, so that not every trim comes upon it first. */
  #postpone(row: LedgerRow): void {
    try {
      this.#files.ledger.touch(row.generation, this.#files.nowMs(), row.byteLength);
    } catch (error) {
      // On a full disk the order can wait.
      if (!isDriveError(error, 'noSpace')) throw error;
    }
  }
}
