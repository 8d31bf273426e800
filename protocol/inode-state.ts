import type { InodeId, Version } from './ids.ts';

export const inodeKinds = ['file', 'directory', 'symlink', 'fifo', 'socket', 'characterDevice', 'blockDevice'] as const;

export type InodeKind = (typeof inodeKinds)[number];

/** What a user can change about an inode without changing its content. Last writer wins, attribute by attribute. */
export interface InodeAttributes {
  /** Permission bits with setuid, setgid and sticky: `0o7777` at most. */
  readonly mode: number;
  /** `null`: whoever looks owns it (a file made through a door that knows no numeric users). */
  readonly uid: number | null;
  readonly gid: number | null;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Extended attributes by full name (`user.colour`). */
export type Xattrs = ReadonlyMap<string, Uint8Array>;

/** All of an inode but its names and its manifest, at one cursor. */
export interface InodeState extends InodeAttributes {
  readonly inode: InodeId;
  readonly kind: InodeKind;
  /** Bytes of content; 0 for what is not a file. */
  readonly size: number;
  /** The head version; 0 for what has no content. */
  readonly version: Version;
  /** Device number for device nodes, else 0. */
  readonly rdev: number;
  /** Where a symlink points, else `null`. */
  readonly target: string | null;
  readonly xattrs: Xattrs;
}
