import type { Brand } from '../../protocol/brand.ts';
import type { InodeId, Version } from '../../protocol/ids.ts';
import type { InodeKind } from '../../protocol/inode-state.ts';

/** An inode's number on this mount: what `stat` shows. Never reused; it has no meaning on another device. */
export type Ino = Brand<number, 'Ino'>;

export const rootIno = 1 as Ino;

/** An inode as the replica holds it: what is visible on this mount, local changes included. */
export interface LocalInode {
  readonly ino: Ino;
  readonly id: InodeId;
  readonly kind: InodeKind;
  readonly mode: number;
  readonly uid: number | null;
  readonly gid: number | null;
  readonly rdev: number;
  readonly size: number;
  /** Names of a file; for a directory 2 plus its subdirectories. 0: unlinked, alive while it is held. */
  readonly nlink: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly target: string | null;
  /** The committed version that the visible content is, or (if `contentDirty`) was made on top of; 0 for none. */
  readonly version: Version;
  /** Whether the content was changed here and is not committed. */
  readonly contentDirty: boolean;
}

/** One entry of a directory. `cookie` orders entries and stays valid while others come and go; it starts above 0. */
export interface LocalEntry {
  readonly cookie: number;
  readonly name: string;
  readonly inode: LocalInode;
}
