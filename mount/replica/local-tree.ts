import type { Manifest } from '../../protocol/manifest.ts';
import type { InodeAttributes, InodeKind } from '../../protocol/inode-state.ts';
import type { Ino, LocalEntry, LocalInode } from './local-inode.ts';

/** What a new inode is to be. `uid` and `gid` are those of the calling process. */
export interface NewInode {
  readonly kind: InodeKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly target: string | null;
}

/** As the flags of rename(2): `noReplace` throws `exists` if the target is taken, `exchange` swaps the two. */
export type RenameMode = 'replace' | 'noReplace' | 'exchange';

/**
 * The replica as the filesystem uses it: every call is synchronous, answered from the local database, and sees
 * all earlier calls. A change is atomic, visible at once, and marks what it touched dirty. Rules of the tree (names
 * free or taken, emptiness, no cycles) are checked here and throw `notFound`, `exists`, `notDirectory`,
 * `isDirectory`, `notEmpty`, `invalidArgument`, `invalidName`, `nameTooLong`; permissions are the kernel's.
 * mtime and ctime of the inode and the directories touched are set to `nowNs` as POSIX says for each call.
 */
export interface LocalTree {
  /** The inode, unlinked and held ones included; `undefined` if there is none. */
  inode(ino: Ino): LocalInode | undefined;
  lookup(parent: Ino, name: string): LocalInode | undefined;
  /** The directory that holds directory `ino`; the root holds itself. */
  parentOf(ino: Ino): Ino;
  /** A path from the root for messages, or `undefined` if it has no name. */
  pathOf(ino: Ino): string | undefined;
  /** Up to `limit` entries with a cookie above `afterCookie` (0: from the start), in the order of cookies. */
  list(directory: Ino, afterCookie: number, limit: number): readonly LocalEntry[];
  /** Entries and bytes of the whole tree, for statfs. */
  totals(): { readonly inodes: number; readonly bytes: number };

  /** A new file counts as changed in content from the start, so that it is committed once it is uploaded, not before. */
  create(parent: Ino, name: string, inode: NewInode, nowNs: bigint): LocalInode;
  /** An inode without a name (O_TMPFILE), held once. */
  createUnlinked(inode: NewInode, nowNs: bigint): LocalInode;
  link(ino: Ino, parent: Ino, name: string, nowNs: bigint): LocalInode;
  /** Removes a name of anything but a directory and returns the inode as it is after that. */
  unlink(parent: Ino, name: string, nowNs: bigint): LocalInode;
  removeDirectory(parent: Ino, name: string, nowNs: bigint): LocalInode;
  /** Returns the inode that was replaced, as it is after that, if one was. */
  rename(
    from: { readonly parent: Ino; readonly name: string },
    to: { readonly parent: Ino; readonly name: string },
    mode: RenameMode,
    nowNs: bigint,
  ): LocalInode | undefined;

  /** Sets what is present. `atimeNs` stays local. ctime becomes `nowNs` unless only atime is set by a read. */
  setAttributes(
    ino: Ino,
    set: Partial<Pick<InodeAttributes, 'mode' | 'uid' | 'gid' | 'mtimeNs'>> & { readonly atimeNs?: bigint },
    nowNs: bigint,
  ): LocalInode;

  xattr(ino: Ino, name: string): Uint8Array | undefined;
  xattrNames(ino: Ino): readonly string[];
  /** `create` throws `exists` if it is there, `replace` throws `notFound` if not. */
  setXattr(ino: Ino, name: string, value: Uint8Array, mode: 'any' | 'create' | 'replace', nowNs: bigint): void;
  /** Throws `notFound`. */
  removeXattr(ino: Ino, name: string, nowNs: bigint): void;

  /**
   * The content of `ino` was changed on this mount: notes the new size and times and marks it dirty. Every call
   * gives the content a new `contentSequence`, by which a drain knows whether it pushed the latest.
   */
  contentChanged(ino: Ino, size: number, nowNs: bigint): LocalInode;
  contentSequence(ino: Ino): number;

  /** The manifest of the committed version `inode(ino).version`; `undefined` if it must be asked for. */
  manifest(ino: Ino): Manifest | undefined;
  /** Keeps a manifest that was asked for. */
  rememberManifest(ino: Ino, manifest: Manifest): void;

  /** Keeps an inode alive without a name (an open file); holds are counted and do not survive a restart. */
  hold(ino: Ino): void;
  /** Undoes one `hold`; returns whether the inode is gone for good now, so that its content can go too. */
  release(ino: Ino): boolean;

  /** Resolves when every change before the call is on the local disk. */
  durable(): Promise<void>;
  /**
   * Calls `action` each time before changes are committed, that is, before they survive the end of the process. If it
   * throws, the changes go on waiting, and whoever wanted them committed gets the error.
   */
  beforeCommits(action: () => void): void;
}
