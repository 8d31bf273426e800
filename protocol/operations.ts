import type { ClientCommitId, CommitMark, Cursor, InodeId, Version } from './ids.ts';
import type { InodeAttributes, InodeKind } from './inode-state.ts';
import type { Change, LogPosition } from './changes.ts';
import type { Manifest } from './manifest.ts';

/** A place in the tree: one name in one directory. */
export interface Place {
  readonly parent: InodeId;
  readonly name: string;
}

/** A new inode at a place. A file without `manifest` is empty. Its version is the commit's cursor. */
export interface CreateOperation extends Place, InodeAttributes {
  readonly type: 'create';
  readonly inode: InodeId;
  readonly kind: InodeKind;
  readonly rdev: number;
  readonly target: string | null;
  readonly manifest: Manifest | null;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** One more name for an inode that exists (a hard link). Not for directories. */
export interface LinkOperation extends Place {
  readonly type: 'link';
  readonly inode: InodeId;
}

/**
 * Takes the name away. `base` is the version the remover had seen of a file (0 for what is not one): if its
 * content has moved on, the edit wins. A directory must be empty once the whole commit is applied, unless
 * `recursive`, which removes all below it whatever its versions.
 */
export interface UnlinkOperation extends Place {
  readonly type: 'unlink';
  readonly inode: InodeId;
  readonly base: Version;
  readonly recursive: boolean;
}

/** Moves a name. To replace what stands at `to`, the same commit unlinks that. */
export interface MoveOperation {
  readonly type: 'move';
  readonly inode: InodeId;
  readonly from: Place;
  readonly to: Place;
}

/** New content for a file, made on top of version `base`. */
export interface ContentOperation {
  readonly type: 'content';
  readonly inode: InodeId;
  readonly base: Version;
  readonly manifest: Manifest;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Sets the attributes that are present. `xattrs` sets a name to a value or, with `null`, removes it. */
export interface AttributesOperation {
  readonly type: 'attributes';
  readonly inode: InodeId;
  readonly set: Partial<InodeAttributes>;
  readonly xattrs: ReadonlyMap<string, Uint8Array | null>;
}

export type Operation =
  CreateOperation | LinkOperation | UnlinkOperation | MoveOperation | ContentOperation | AttributesOperation;

/**
 * One atomic batch. The operations are a set of wanted changes, not a script: the server makes new inodes,
 * then takes away every old name (`unlink`, the `from` of a `move`), then gives every new one (`create`,
 * `link`, the `to` of a `move`), then sets content and attributes. So two files can swap names in one commit,
 * and a directory can move into one that the same commit creates. An inode appears in at most one operation
 * of each type except `link` and `unlink`, a place is taken away at most once and given at most once.
 */
export interface CommitRequest {
  readonly clientCommitId: ClientCommitId;
  readonly operations: readonly Operation[];
  /**
   * What to do where a base is not head or a name is taken. `resolve` applies the conflict rules, losing
   * nothing; `refuse` throws `conflict` and changes nothing, for doors with preconditions of their own.
   */
  readonly onConflict: 'resolve' | 'refuse';
  /**
   * The last commit that the caller has applied, from which its bases are. If it does not stand in the log, versions mean something
   * else there: the commit throws `gone`, and changes nothing. A commit that was made already is answered all the same.
   */
  readonly after?: LogPosition;
}

export type RefusalReason =
  | 'editWins' // the file to delete has newer content, or the directory to delete has entries the remover had not seen
  | 'movedElsewhere' // the name to move or remove no longer leads to this inode
  | 'cycle' // the move would put a directory below itself
  | 'gone'; // the inode was removed by somebody else and the operation has nothing to return

/** What became of one operation, in the order of the request. */
export type Outcome =
  | { readonly type: 'applied' }
  /** `mkdir` on a name held by a directory: that one, `inode`, serves; children were placed below it. */
  | { readonly type: 'merged'; readonly inode: InodeId }
  /**
   * What was sent stands at `place` as a conflicted copy. For `content` it is a new inode; otherwise it is the
   * operation's own inode under another name.
   */
  | { readonly type: 'conflictedCopy'; readonly inode: InodeId; readonly place: Place }
  /** `content` for a file deleted meanwhile: the file is back at `place`. */
  | { readonly type: 'restored'; readonly inode: InodeId; readonly place: Place }
  /** Nothing was changed by this operation. */
  | { readonly type: 'refused'; readonly reason: RefusalReason };

export interface CommitResult {
  /** The cursor of this commit; unchanged from before it if no operation changed anything. */
  readonly cursor: Cursor;
  readonly outcomes: readonly Outcome[];
  /**
   * The server's truth, as of `cursor`, about every place and inode named by an operation whose outcome is not
   * `applied`, so that a replica that had assumed otherwise can correct itself.
   */
  readonly corrections: readonly Change[];
  /** The mark of the commit at `cursor`; a server always tells it. */
  readonly mark?: CommitMark;
}
