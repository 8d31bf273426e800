import type { ClientCommitId, CommitMark, Cursor, DeviceId, InodeId } from './ids.ts';
import type { InodeState } from './inode-state.ts';
import type { Manifest } from './manifest.ts';

/** The state of one inode or one place after a commit. Applying a change twice is the same as once. */
export type Change =
  /** `manifest` rides along when it is short (`limits.inlineManifestEntriesMax`); `null` means "ask". */
  | { readonly type: 'inode'; readonly state: InodeState; readonly manifest: Manifest | null }
  /** The inode lost its last name. */
  | { readonly type: 'inodeGone'; readonly inode: InodeId }
  /** The place now leads to `inode`, or to nothing. */
  | { readonly type: 'dentry'; readonly parent: InodeId; readonly name: string; readonly inode: InodeId | null };

/**
 * A piece of the changefeed. A commit too large for one piece is sent as several with the same cursor, `last`
 * on the final one; a reader advances its cursor only there. Within a commit, changes come in no order: a
 * dentry may precede its inode.
 *
 * From cursor 0 the feed starts with a snapshot (one large "commit" at the then current cursor, without author).
 */
export interface ChangeBatch {
  readonly cursor: Cursor;
  readonly last: boolean;
  readonly changes: readonly Change[];
  /** Which attempt made this commit, so that its maker knows its own; `null` in a snapshot. */
  readonly clientCommitId: ClientCommitId | null;
  readonly author: string | null;
  readonly device: DeviceId | null;
  readonly timeMs: number;
  /** The mark of the commit at `cursor`, in a snapshot too; a server always tells it. */
  readonly mark?: CommitMark;
}

/** How far a reader has followed a history: the cursor of the last commit it has applied, and that commit's mark. */
export interface LogPosition {
  readonly cursor: Cursor;
  readonly mark: CommitMark;
}
