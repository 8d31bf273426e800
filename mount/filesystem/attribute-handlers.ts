import { statfsSync } from 'node:fs';
import { DriveError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { FuseAttributes, FuseSetAttributes, FuseStatfs, FuseXattrMode } from '../fuse/fuse-filesystem.ts';
import { FuseError } from '../fuse/errno.ts';
import type { RequestContext } from '../fuse/request-context.ts';
import type { LocalTree } from '../replica/local-tree.ts';
import type { Acls } from './acls.ts';
import type { FileHandlers } from './file-handlers.ts';
import { attributesOfNode, inodeOf } from './filesystem-parts.ts';
import type { FilesystemParts } from './filesystem-parts.ts';
import { accessAclName, defaultAclName } from './posix-acl.ts';
import { modeAfterChange } from './privileges.ts';

const blockBytes = 4096;
/** Namespaces of xattr(7) that are kept. `system.` is the kernel's; of it only access control lists are. */
const xattrPrefixes = ['user.', 'trusted.', 'security.'];

/** Attributes, extended attributes and figures of the filesystem. */
export class AttributeHandlers {
  readonly #parts: FilesystemParts;
  readonly #fileHandlers: FileHandlers;
  readonly #acls: Acls;
  /** Whether the kernel heeds access control lists; kept ones that nobody heeds would give false comfort. */
  posixAcls = false;

  constructor(parts: FilesystemParts, fileHandlers: FileHandlers, acls: Acls) {
    this.#parts = parts;
    this.#fileHandlers = fileHandlers;
    this.#acls = acls;
  }

  getattr(nodeId: number): FuseAttributes {
    return attributesOfNode(this.#parts, this.#parts.nodes.node(nodeId));
  }

  setattr(context: RequestContext, nodeId: number, set: FuseSetAttributes): FuseAttributes {
    const { tree, nodes, clock, hints, owner } = this.#parts;
    const node = nodes.node(nodeId);
    // By its name, a file whose content was replaced is to be found anew; through a handle it is the one that was opened.
    if (set.fh === undefined && node.content?.isRetired === true) throw new FuseError('ESTALE');
    if (set.size !== undefined) this.#fileHandlers.truncate(node, set.size);
    const nowNs = clock.nowNs();
    const inode = inodeOf(this.#parts, node);
    const changes: {
      -readonly [K in keyof Parameters<LocalTree['setAttributes']>[1]]: Parameters<LocalTree['setAttributes']>[1][K];
    } = {};
    if (set.mode !== undefined) changes.mode = set.mode & 0o7777;
    if (set.uid !== undefined) changes.uid = set.uid;
    if (set.gid !== undefined) changes.gid = set.gid;
    if (set.atimeNs !== undefined) changes.atimeNs = set.atimeNs === 'now' ? nowNs : set.atimeNs;
    if (set.mtimeNs !== undefined) changes.mtimeNs = set.mtimeNs === 'now' ? nowNs : set.mtimeNs;
    // chown(2): who gets a file does not get its setuid and setgid. A directory keeps them, as on other filesystems of Linux.
    if (set.killPrivileges && set.mode === undefined) {
      const isDirectory = inode.kind === 'directory';
      changes.mode = isDirectory ? inode.mode : modeAfterChange(inode, inode.gid ?? owner.gid, context);
    }
    // Whatever is set moves ctime too, an atime alone as well; to the tree that would be a read.
    if (changes.atimeNs !== undefined) changes.mtimeNs ??= inode.mtimeNs;
    if (Object.keys(changes).length > 0) {
      tree.setAttributes(node.ino, changes, nowNs);
      if (set.mode !== undefined) this.#acls.modeChanged(node.ino, set.mode);
      hints.changed();
    }
    return attributesOfNode(this.#parts, node);
  }

  getxattr(nodeId: number, name: string): Uint8Array | undefined {
    this.#checkXattrName(name);
    const { tree, nodes } = this.#parts;
    return tree.xattr(nodes.ino(nodeId), name);
  }

  /** `trusted.*` exists for the privileged only (xattr(7)). */
  listxattr(context: RequestContext, nodeId: number): readonly string[] {
    const { tree, nodes } = this.#parts;
    const names = tree.xattrNames(nodes.ino(nodeId));
    return context.uid === 0 ? names : names.filter((name) => !name.startsWith('trusted.'));
  }

  setxattr(context: RequestContext, nodeId: number, name: string, value: Uint8Array, mode: FuseXattrMode): void {
    this.#checkXattrName(name);
    const { tree, nodes, clock, hints } = this.#parts;
    if (value.length > limits.xattrValueBytesMax) {
      throw new DriveError('tooLarge', `an extended attribute has at most ${limits.xattrValueBytesMax} bytes`);
    }
    // The value lies in the request's buffer, which is used again.
    const kept = Uint8Array.from(value);
    if (isAclName(name)) this.#acls.set(context, nodes.node(nodeId), name, kept);
    else tree.setXattr(nodes.ino(nodeId), name, kept, mode, clock.nowNs());
    hints.changed();
  }

  removexattr(nodeId: number, name: string): void {
    this.#checkXattrName(name);
    const { tree, nodes, clock, hints } = this.#parts;
    tree.removeXattr(nodes.ino(nodeId), name, clock.nowNs());
    hints.changed();
  }

  /** What is free is what the local disk has left, since everything written goes there first, and no more than the quota allows. */
  statfs(): FuseStatfs {
    const { tree, cacheDirectory, quotaBytes } = this.#parts;
    const { inodes, bytes } = tree.totals();
    const disk = statfsSync(cacheDirectory);
    const allowedBytes = Math.max(0, (quotaBytes?.() ?? Infinity) - bytes);
    const freeBlocks = (diskBlocks: number): number =>
      Math.floor(Math.min(diskBlocks * disk.bsize, allowedBytes) / blockBytes);
    return {
      blockBytes,
      blocks: Math.ceil(bytes / blockBytes) + freeBlocks(disk.bfree),
      blocksFree: freeBlocks(disk.bfree),
      blocksAvailable: freeBlocks(disk.bavail),
      files: inodes + disk.ffree,
      filesFree: disk.ffree,
      nameBytesMax: limits.nameBytesMax,
    };
  }

  #checkXattrName(name: string): void {
    if (this.posixAcls && isAclName(name)) return;
    const prefix = xattrPrefixes.find((known) => name.startsWith(known));
    if (prefix === undefined) {
      throw new FuseError('EOPNOTSUPP', `extended attributes are ${xattrPrefixes.join('*, ')}*, not ${name}`);
    }
    if (name === prefix) throw new FuseError('EINVAL', `${prefix} needs a name`);
  }
}

function isAclName(name: string): boolean {
  return name === accessAclName || name === defaultAclName;
}
