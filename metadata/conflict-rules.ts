import type { Version } from '../protocol/ids.ts';
import type { InodeKind } from '../protocol/inode-state.ts';
import type { RefusalReason } from '../protocol/operations.ts';

/**
 * What happens where two writers meet: every rule there is, as pure functions of the facts. Nothing that was
 * committed or sent is lost by any of them; each prefers a visible extra file to a silent loss.
 */

/** What a place leads to, seen from an operation that names an inode there. */
export type Standing = 'thisInode' | 'anotherInode' | 'nothing';

export type LeaveVerdict =
  | { readonly type: 'apply' }
  /** What was wanted is so already. */
  | { readonly type: 'already' }
  | { readonly type: 'refuse'; readonly reason: RefusalReason };

const apply = { type: 'apply' } as const;
const already = { type: 'already' } as const;
const refuse = (reason: RefusalReason) => ({ type: 'refuse', reason }) as const;

/** A name is to be removed. A file's newer content wins over its removal, unless the removal was of a whole folder. */
export function unlinkRule(facts: {
  readonly standing: Standing;
  /** Whether the inode has any name at all. */
  readonly alive: boolean;
  readonly kind: InodeKind;
  readonly head: Version;
  readonly base: Version;
}): LeaveVerdict {
  if (facts.standing === 'anotherInode') return refuse('movedElsewhere');
  if (facts.standing === 'nothing') return facts.alive ? refuse('movedElsewhere') : already;
  return facts.kind === 'file' && facts.head !== facts.base ? refuse('editWins') : apply;
}

/** A directory is to be removed, not with all below it: entries its remover had not seen keep it. */
export function unlinkDirectoryRule(facts: { readonly entriesLeft: number }): LeaveVerdict {
  return facts.entriesLeft > 0 ? refuse('editWins') : apply;
}

/** A name is to be taken to another place. The first of two moves wins; the same move twice is one. */
export function moveRule(facts: {
  readonly standing: Standing;
  readonly alive: boolean;
  /** Whether the inode stands where it was to go. */
  readonly arrived: boolean;
}): LeaveVerdict {
  if (facts.standing === 'thisInode') return apply;
  if (!facts.alive) return refuse('gone');
  return facts.arrived ? already : refuse('movedElsewhere');
}

/** What stands where something is to be put. */
export type Occupant = 'nothing' | 'thisInode' | 'directory' | 'other';

export type ArriveVerdict = 'place' | 'already' | 'merge' | 'copy' | 'cycle';

/** A new inode is to get a name. Two new directories of one name are one; anything else stands beside what was first. */
export function createRule(facts: { readonly kind: InodeKind; readonly occupant: Occupant }): ArriveVerdict {
  if (facts.occupant === 'nothing') return 'place';
  return facts.kind === 'directory' && facts.occupant === 'directory' ? 'merge' : 'copy';
}

/** An existing inode is to get a name, by a link or a move. */
export function arriveRule(facts: {
  readonly occupant: Occupant;
  /** Whether a directory would come to stand below itself. */
  readonly cycle: boolean;
}): ArriveVerdict {
  if (facts.cycle) return 'cycle';
  if (facts.occupant === 'nothing') return 'place';
  return facts.occupant === 'thisInode' ? 'already' : 'copy';
}

export type ContentVerdict = 'apply' | 'copy' | 'restore' | 'gone';

/** A file is to get new content. The head stays unless it is what the writer had seen; a removed file comes back. */
export function contentRule(facts: {
  /** Whether history knows the inode. */
  readonly known: boolean;
  readonly alive: boolean;
  /** Whether the same commit made it. */
  readonly madeHere: boolean;
  readonly head: Version;
  readonly base: Version;
}): ContentVerdict {
  if (!facts.known) return 'gone';
  if (!facts.alive) return 'restore';
  return facts.madeHere || facts.head === facts.base ? 'apply' : 'copy';
}

/** Attributes are to be set: the last writer wins, attribute by attribute, as long as there is something to set them on. */
export function attributesRule(facts: { readonly alive: boolean }): 'apply' | 'gone' {
  return facts.alive ? 'apply' : 'gone';
}
