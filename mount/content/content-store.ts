import type { Manifest } from '../../protocol/manifest.ts';
import type { Ino } from '../replica/local-inode.ts';
import type { ContentMove } from '../replica/synced-tree.ts';

/** A half-open range of bytes, `[start, end)`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A dirty file's bytes, for a drain to cut and upload. Reads see the file as it is at that moment. */
export interface DrainSource {
  readonly size: number;
  /** What was written since the last settled version, sorted, not overlapping; the rest equals the base version. */
  readonly dirtyRanges: readonly ByteRange[];
  /** Where data is (SEEK_DATA), sorted: outside of it the file reads as zeros. Only known for what is hydrated. */
  readonly dataRanges: readonly ByteRange[];
  /** The content file, for a worker to read what is local directly; `null` if it has no file (a test double). */
  readonly path: string | null;
  /**
   * Of content that is not all here, and was copied from another inode's version or has a base that the tree does not know: the
   * version that it was made on top of, and what may differ from it. So what both share need not be fetched to be cut again.
   */
  readonly copiedFrom?: (
    isBaseKnown: boolean,
  ) => Promise<{ readonly base: Manifest; readonly dirtyRanges: readonly ByteRange[] } | undefined>;
  /** Whether `[offset, offset + length)` is in the file at `path` at this moment. */
  isLocal(offset: number, length: number): boolean;
  /** Reads exactly `length` bytes at `offset` (hydrating what is missing). */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The content files of one mount, as the sync engine uses them. */
export interface DrainableContent {
  /** Opens the present content of a dirty file; `undefined` if the file is gone. */
  openForDrain(ino: Ino): DrainSource | undefined;
  /**
   * What was read by a drain up to `sequence` is committed as `manifest`: it is no longer dirty. If the file was
   * changed since, what was changed since stays dirty.
   */
  drained(ino: Ino, sequence: number, manifest: Manifest): void;
  /** The head is another version now. Clean bytes of the old one are dropped; open files keep what they were opened on. */
  replaced(ino: Ino): void;
  /**
   * The content file of `from`, dirty or not, becomes that of `to`; `from` has none then. Open files move along. It is on
   * the disk when this returns, and a move that was made before, known by its id, is not made again.
   */
  move(move: ContentMove): void;
}
