import { fileTypeBits } from '../fuse/constants.ts';
import type { FuseAttributes } from '../fuse/fuse-filesystem.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { InodeKind } from '../../protocol/inode-state.ts';
import type { LocalInode } from '../replica/local-inode.ts';

/** Who owns what has no numeric owner: the user who mounted. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const typeBitsOf: Record<InodeKind, number> = {
  file: fileTypeBits.file,
  directory: fileTypeBits.directory,
  symlink: fileTypeBits.symlink,
  fifo: fileTypeBits.fifo,
  socket: fileTypeBits.socket,
  characterDevice: fileTypeBits.characterDevice,
  blockDevice: fileTypeBits.blockDevice,
};

export function modeOf(inode: LocalInode): number {
  return typeBitsOf[inode.kind] | inode.mode;
}

/** The kind that the type bits of mknod's mode name; none means a regular file. */
export function kindOfMode(mode: number): InodeKind {
  const bits = mode & fileTypeBits.mask;
  if (bits === 0) return 'file';
  for (const [kind, kindBits] of Object.entries(typeBitsOf)) {
    if (kindBits === bits && kind !== 'directory' && kind !== 'symlink') return kind as InodeKind;
  }
  throw new DriveError('invalidArgument', `mknod cannot make what mode ${mode.toString(8)} says`);
}

/** `inode` as the kernel is told of it, under the node id it has there. `blocks`: see `FuseAttributes`. */
export function attributesOf(
  inode: LocalInode,
  nodeId: number,
  { size, blocks }: { readonly size: number; readonly blocks: number | undefined },
  owner: Owner,
): FuseAttributes {
  return {
    ino: nodeId,
    size: inode.target === null ? size : Buffer.byteLength(inode.target),
    ...(blocks === undefined ? {} : { blocks }),
    atimeNs: inode.atimeNs,
    mtimeNs: inode.mtimeNs,
    ctimeNs: inode.ctimeNs,
    mode: modeOf(inode),
    nlink: inode.nlink,
    uid: inode.uid ?? owner.uid,
    gid: inode.gid ?? owner.gid,
    rdev: inode.rdev,
  };
}
