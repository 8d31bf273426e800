import type { LocalInode } from '../replica/local-inode.ts';
import type { LedgerRow } from './content-ledger.ts';
import type { ByteRange } from './content-store.ts';
import { RangeSet } from './range-set.ts';

/**
 * What is known about the bytes of one content file. Three kinds of bytes make it up:
 *
 * - from `baseEnd` on, all are local: written here, or zeros that a truncation made;
 * - below `baseEnd`, those in `present` are in the content file: hydrated, or written here;
 * - the rest is still only in the version that the file was made on top of, at the same offset.
 *
 * `dirty` is what differs, or may differ, from that version; it is always within the first two kinds.
 */
export interface ContentClaims {
  readonly size: number;
  readonly baseEnd: number;
  readonly present: RangeSet;
  readonly dirty: RangeSet;
}

/** The stored form, one row a file. */
export function encodeClaims(claims: ContentClaims): string {
  const { size, baseEnd, present, dirty } = claims;
  return JSON.stringify([size, baseEnd, present.toBounds(), dirty.toBounds()]);
}

export function decodeClaims(text: string): ContentClaims {
  const [size, baseEnd, present, dirty] = JSON.parse(text) as [number, number, number[], number[]];
  return { size, baseEnd, present: new RangeSet(present), dirty: new RangeSet(dirty) };
}

/** Claims after a process died while writing, when only "something is dirty" was recorded: all that is local may be. */
export function claimsAfterKill(recorded: ContentClaims, arrived: readonly ByteRange[], size: number): ContentClaims {
  const baseEnd = Math.min(recorded.baseEnd, size);
  const present = recorded.present.clone();
  for (const range of arrived) present.add(range.start, range.end);
  present.remove(baseEnd, Infinity);
  const dirty = present.clone();
  dirty.add(baseEnd, size);
  return { size, baseEnd, present, dirty };
}

/** Claims after the machine died: of what is below `baseEnd` only fsynced writes are sure to be on the disk. */
export function claimsAfterPowerLoss(durable: ContentClaims): ContentClaims {
  const present = durable.dirty.clone();
  present.remove(durable.baseEnd, Infinity);
  return { size: durable.size, baseEnd: durable.baseEnd, present, dirty: durable.dirty.clone() };
}

/**
 * Whether the content was settled as a version that the tree, after a crash, does not know of yet. Against the tree's
 * older base all that is local may differ.
 */
export function isAhead(row: Pick<LedgerRow, 'sourceInode' | 'sourceVersion'>, inode: LocalInode | undefined): boolean {
  if (inode === undefined || !inode.contentDirty) return false;
  return row.sourceInode === inode.id && row.sourceVersion > inode.version;
}
