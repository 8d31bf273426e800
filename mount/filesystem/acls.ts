import type { InodeKind } from '../../protocol/inode-state.ts';
import type { RequestContext } from '../fuse/request-context.ts';
import type { Ino } from '../replica/local-inode.ts';
import { inodeOf } from './filesystem-parts.ts';
import type { FilesystemParts } from './filesystem-parts.ts';
import type { Node } from './nodes.ts';
import {
  accessAclName,
  decodeAcl,
  defaultAclName,
  encodeAcl,
  inherited,
  isMinimal,
  permissionsOf,
  withPermissions,
} from './posix-acl.ts';
import { isInGroup } from './privileges.ts';

const permissionBits = 0o777;
const setgid = 0o2000;

/** What a new inode starts with. */
export interface NewPermissions {
  readonly mode: number;
  readonly xattrs: readonly (readonly [string, Uint8Array])[];
}

/** Access control lists: the kernel checks them, what keeps them and the modes in step is here. */
export class Acls {
  readonly #parts: FilesystemParts;

  constructor(parts: FilesystemParts) {
    this.#parts = parts;
  }

  /** In a folder with a default list that list takes the umask's place (acl(5), "Object creation and default ACLs"). */
  ofNew(context: RequestContext, directory: Ino, kind: InodeKind, mode: number): NewPermissions {
    if (kind === 'symlink') return { mode, xattrs: [] };
    const value = this.#parts.tree.xattr(directory, defaultAclName);
    const defaults = value && decodeAcl(value);
    if (value === undefined || defaults === undefined) return { mode: mode & ~context.umask, xattrs: [] };
    const acl = inherited(defaults, mode);
    const xattrs: (readonly [string, Uint8Array])[] = [];
    if (!isMinimal(acl)) xattrs.push([accessAclName, encodeAcl(acl)]);
    if (kind === 'directory') xattrs.push([defaultAclName, value]);
    return { mode: (mode & ~permissionBits) | permissionsOf(acl), xattrs };
  }

  /**
   * Keeps a list that the kernel found valid. An access list sets the mode; one that says no more than that is not kept.
   * As with chmod(2), setgid goes if the caller is not in the file's group.
   */
  set(context: RequestContext, node: Node, name: string, value: Uint8Array): void {
    const { tree, clock, owner } = this.#parts;
    const nowNs = clock.nowNs();
    const acl = decodeAcl(value);
    if (name !== accessAclName || acl === undefined) {
      tree.setXattr(node.ino, name, value, 'any', nowNs);
      return;
    }
    const inode = inodeOf(this.#parts, node);
    const special = isInGroup(context, inode.gid ?? owner.gid) ? ~permissionBits : ~(permissionBits | setgid);
    if (!isMinimal(acl)) tree.setXattr(node.ino, name, value, 'any', nowNs);
    else if (tree.xattr(node.ino, name) !== undefined) tree.removeXattr(node.ino, name, nowNs);
    tree.setAttributes(node.ino, { mode: (inode.mode & special) | permissionsOf(acl) }, nowNs);
  }

  /** chmod(2) changes the entries that the mode shows. */
  modeChanged(ino: Ino, mode: number): void {
    const { tree, clock } = this.#parts;
    const value = tree.xattr(ino, accessAclName);
    const acl = value && decodeAcl(value);
    if (acl !== undefined)
      tree.setXattr(ino, accessAclName, encodeAcl(withPermissions(acl, mode)), 'any', clock.nowNs());
  }
}
