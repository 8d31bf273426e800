import type { ChangeBatch } from '../../protocol/changes.ts';
import type { ClientCommitId, CommitMark, Cursor, InodeId } from '../../protocol/ids.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { CommitResult, Operation, Place } from '../../protocol/operations.ts';
import type { Invalidation } from './invalidation.ts';
import type { Ino } from './local-inode.ts';

/** A file whose content waits to be uploaded. */
export interface DirtyContent {
  readonly ino: Ino;
  readonly sequence: number;
  readonly size: number;
  /** When it first became dirty since it was last clean. */
  readonly sinceMs: number;
  /** When it was last changed. */
  readonly changedMs: number;
  /** The manifest of the version it was made on top of, if known. */
  readonly base: Manifest | undefined;
}

/** The next commit: the difference between what is visible here and what the user had last seen of the server. */
export interface PlannedCommit {
  readonly clientCommitId: ClientCommitId;
  readonly operations: readonly Operation[];
  /** What the replica needs to settle it; opaque to others and kept in the replica across a restart. */
  readonly marks: unknown;
}

/** Which changes a plan takes first, if it cannot take all. */
export type PlanOrder = 'oldestFirst' | 'removalsFirst';

/** Losing bytes that were moved into a file of their own, so that the content layer moves the content file too. */
export interface ContentMove {
  /** Grows from move to move and is never used again. */
  readonly id: number;
  readonly from: Ino;
  readonly to: Ino;
}

/** Content up to `sequence` is committed as `manifest`; what was changed since is dirty on top of it. */
export interface DrainedContent {
  readonly ino: Ino;
  readonly sequence: number;
  readonly manifest: Manifest;
}

export interface Settled {
  readonly invalidations: readonly Invalidation[];
  readonly contentMoves: readonly ContentMove[];
  /** What the content layer is to be told with `drained`, after the moves. */
  readonly drained: readonly DrainedContent[];
  /** Files whose visible content became exactly the committed one: nothing of theirs is dirty any more. */
  readonly cleaned: readonly Ino[];
  /** The conflicted copies this commit made. */
  readonly conflicts: readonly { readonly inode: InodeId; readonly place: Place }[];
}

/** The replica as the sync engine uses it; the same object as `LocalTree`. Calls are synchronous and atomic. */
export interface SyncedTree {
  /** The cursor up to which remote changes are applied; 0 before the first load. */
  cursor(): Cursor;

  /** The mark of the commit at `cursor()`; `undefined` if it was not told. Both are always those of one moment, after a crash too. */
  mark(): CommitMark | undefined;

  /**
   * The batches that follow are a snapshot from cursor 0: what it does not have is gone on the server. What is dirty
   * here stays dirty. The snapshot may be of another history than what is here: a version of the same number is believed to be the
   * same content only where both manifests are known, and dirty content on top of one that is not believed is sent without a base.
   */
  startSnapshot(): void;

  /**
   * Applies one batch below what is dirty: what was not touched here takes the remote state; what was touched stays
   * visible as it is, and the remote state is kept for when it is settled. The cursor moves with the last piece.
   */
  applyRemote(batch: ChangeBatch): readonly Invalidation[];

  /** Entries and bytes that are dirty; the conflicted copies known on this device. */
  dirtySummary(): { readonly entries: number; readonly bytes: number; readonly conflicts: number };

  /** Files with dirty content, the longest waiting first. */
  dirtyContents(limit: number): readonly DirtyContent[];

  /** The content with this sequence number is uploaded as `manifest`: it may be named by a commit. */
  contentUploaded(ino: Ino, sequence: number, manifest: Manifest): void;

  /**
   * Shows what the server has where a local change that stood above it is no more, and lets go of what was kept for
   * something dirty that is no more. To be called before `planCommit`.
   */
  followRemote(): readonly Invalidation[];

  /**
   * The next commit of at most `operationsMax` operations, or `undefined` if there is nothing that could be
   * committed now. A file whose content is not uploaded is left for later, with all that would show it half-done, and so is what
   * is held back, with all that depends on it, until it is changed. The order is a wish: what depends comes after what it needs.
   * The plan is stored, so that after a crash `unsettledCommit` returns it with the same id.
   */
  planCommit(operationsMax: number, nowMs: number, order?: PlanOrder): PlannedCommit | undefined;

  /** The plan whose result is not known: to be sent again before anything else. */
  unsettledCommit(): PlannedCommit | undefined;

  /**
   * Takes in the result of a plan, after all remote commits before `result.cursor` were applied. `own` are the
   * batches of that very commit from the changefeed, needed only if an outcome is not `applied`; the corrections
   * apply on top. What was changed here since the plan was made stays dirty.
   */
  settle(plan: PlannedCommit, result: CommitResult, own: readonly ChangeBatch[]): Settled;

  /** Moves of content that `settle` asked for and nobody reported as made, oldest first. */
  unfinishedMoves(): readonly ContentMove[];

  /** Moves up to `id` are made, and the record of that is on the disk. */
  contentMoved(id: number): void;

  /** The server refused the whole plan for good: nothing is settled, and what is in it will be planned anew. */
  abandonPlan(plan: PlannedCommit): void;

  /**
   * Leaves what an abandoned plan was about out of later plans until it is changed or released; not over a restart.
   * `isUploadDue`: the server may lack its blocks, so its content is uploaded again.
   */
  holdBack(plan: PlannedCommit, isUploadDue: boolean): void;

  /** What is held back, the longest first. */
  heldBack(): readonly Ino[];

  /** Lets what one plan was about (the longest held back), or all, be planned again; returns which inodes these are. */
  releaseHeldBack(which: 'oldest' | 'all'): readonly InodeId[];
}
