import type { Clock } from '../../protocol/environment.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { ContentFiles } from '../content/content-files.ts';
import type { FuseAttributes } from '../fuse/fuse-filesystem.ts';
import type { LocalInode } from '../replica/local-inode.ts';
import type { LocalTree } from '../replica/local-tree.ts';
import { attributesOf } from './attributes.ts';
import type { Owner } from './attributes.ts';
import type { ReadHydrator } from './bounded-reads.ts';
import type { DiskBlocks } from './disk-blocks.ts';
import type { KnownPlace, Node, Nodes } from './nodes.ts';
import type { SyncHints } from './sync-hints.ts';

/** What the handlers of one mount work on. */
export interface FilesystemParts {
  readonly tree: LocalTree;
  readonly files: ContentFiles;
  readonly hydrator: ReadHydrator;
  readonly nodes: Nodes;
  readonly diskBlocks: DiskBlocks;
  readonly hints: SyncHints;
  readonly clock: Clock;
  readonly owner: Owner;
  /** Named in conflicted copies made here. */
  readonly author: string;
  readonly syncMode: 'local' | 'remote';
  /** A directory on the disk that dirty bytes go to. */
  readonly cacheDirectory: string;
  /** What the drive may hold, as far as the server said; `null`, or left out: as much as there is room for. */
  readonly quotaBytes?: () => number | null;
}

/** The inode of a node. Throws `notFound` if it is gone, which takes a defect or a cut connection. */
export function inodeOf(parts: FilesystemParts, node: Node): LocalInode {
  const inode = parts.tree.inode(node.ino);
  if (inode === undefined) throw new DriveError('notFound', `inode ${node.ino} is gone`);
  return inode;
}

/** What the kernel is told of a node: its size is that of the content it has open. */
export function attributesOfNode(parts: FilesystemParts, node: Node): FuseAttributes {
  const inode = inodeOf(parts, node);
  return attributesOfInode(parts, inode, node);
}

/** As `attributesOfNode`, where the inode is at hand. */
export function attributesOfInode(parts: FilesystemParts, inode: LocalInode, node: Node): FuseAttributes {
  const space = { size: node.content?.size ?? inode.size, blocks: parts.diskBlocks.of(inode, node.content) };
  return attributesOf(inode, node.id, space, parts.owner);
}

/** The answer to a name that leads to `inode`: the kernel knows it from now on. */
export function entryOf(parts: FilesystemParts, inode: LocalInode, place: KnownPlace | undefined): FuseAttributes {
  const node = parts.nodes.lookedUp(inode.ino, place);
  return attributesOfInode(parts, inode, node);
}
