import type { InodeKind } from '../../protocol/inode-state.ts';
import type { FuseAttributes, FuseRenameMode } from '../fuse/fuse-filesystem.ts';
import type { RequestContext } from '../fuse/request-context.ts';
import type { Ino, LocalInode } from '../replica/local-inode.ts';
import type { NewInode } from '../replica/local-tree.ts';
import { noteAccess } from './access-times.ts';
import type { Acls } from './acls.ts';
import { kindOfMode } from './attributes.ts';
import { entryOf, inodeOf } from './filesystem-parts.ts';
import type { FilesystemParts } from './filesystem-parts.ts';

const setgid = 0o2000;
/** What the kernel sends for a process whose user the mount does not know. */
const unknownId = 0xffffffff;

interface NewWhat {
  readonly mode: number;
  readonly rdev?: number;
  readonly target?: string;
}

/** Making, finding, moving and removing names. */
export class NameHandlers {
  readonly #parts: FilesystemParts;
  readonly #acls: Acls;

  constructor(parts: FilesystemParts, acls: Acls) {
    this.#parts = parts;
    this.#acls = acls;
  }

  lookup(parent: number, name: string): FuseAttributes | undefined {
    const { tree, nodes } = this.#parts;
    const found = tree.lookup(nodes.ino(parent), name);
    return found && entryOf(this.#parts, found, { parent, name });
  }

  make(context: RequestContext, parent: number, name: string, kind: InodeKind, what: NewWhat): FuseAttributes {
    return entryOf(this.#parts, this.create(context, parent, name, kind, what), { parent, name });
  }

  mknod(context: RequestContext, parent: number, name: string, mode: number, rdev: number): FuseAttributes {
    const kind = kindOfMode(mode);
    const made = this.make(context, parent, name, kind, { mode: mode & 0o7777, rdev });
    // Nobody has it open, so nobody will close it.
    if (kind === 'file') this.#parts.hints.contentClosed(this.#parts.nodes.ino(made.ino));
    return made;
  }

  /** The new inode, of which the kernel does not know yet. */
  create(context: RequestContext, parent: number, name: string, kind: InodeKind, what: NewWhat): LocalInode {
    const { nodes, clock, hints } = this.#parts;
    const directory = nodes.ino(parent);
    const inode = this.#insert(context, directory, kind, what, (inode) =>
      this.#parts.tree.create(directory, name, inode, clock.nowNs()),
    );
    hints.changed();
    return inode;
  }

  /** A new file without a name, held once by the tree. */
  createUnlinked(context: RequestContext, parent: number, mode: number): LocalInode {
    const { nodes, clock } = this.#parts;
    return this.#insert(context, nodes.ino(parent), 'file', { mode }, (inode) =>
      this.#parts.tree.createUnlinked(inode, clock.nowNs()),
    );
  }

  #insert(
    context: RequestContext,
    directory: Ino,
    kind: InodeKind,
    what: NewWhat,
    insert: (inode: NewInode) => LocalInode,
  ): LocalInode {
    const { tree, clock } = this.#parts;
    const { mode, xattrs } = this.#acls.ofNew(context, directory, kind, what.mode);
    const inode = insert(this.#newInode(context, directory, kind, { ...what, mode }));
    for (const [name, value] of xattrs) tree.setXattr(inode.ino, name, value, 'create', clock.nowNs());
    return inode;
  }

  /** Owned by who asks; in a setgid directory by the directory's group, which its subdirectories pass on (inode(7)). */
  #newInode(context: RequestContext, directory: Ino, kind: InodeKind, what: NewWhat): NewInode {
    const { tree, owner } = this.#parts;
    const parent = tree.inode(directory);
    const inheritsGroup = parent !== undefined && (parent.mode & setgid) !== 0;
    const ownGid = context.gid === unknownId ? owner.gid : context.gid;
    return {
      kind,
      mode: (what.mode & 0o7777) | (inheritsGroup && kind === 'directory' ? setgid : 0),
      uid: context.uid === unknownId ? owner.uid : context.uid,
      gid: inheritsGroup ? (parent.gid ?? owner.gid) : ownGid,
      rdev: what.rdev ?? 0,
      target: what.target ?? null,
    };
  }

  link(nodeId: number, parent: number, name: string): FuseAttributes {
    const { tree, nodes, clock, hints } = this.#parts;
    const inode = tree.link(nodes.ino(nodeId), nodes.ino(parent), name, clock.nowNs());
    hints.changed();
    return entryOf(this.#parts, inode, { parent, name });
  }

  unlink(parent: number, name: string): void {
    const { tree, nodes, clock, hints } = this.#parts;
    this.#afterRemoval(tree.unlink(nodes.ino(parent), name, clock.nowNs()));
    hints.changed();
  }

  rmdir(parent: number, name: string): void {
    const { tree, nodes, clock, hints } = this.#parts;
    tree.removeDirectory(nodes.ino(parent), name, clock.nowNs());
    hints.changed();
  }

  rename(fromParent: number, fromName: string, toParent: number, toName: string, mode: FuseRenameMode): void {
    const { tree, nodes, clock, hints } = this.#parts;
    const from = { parent: nodes.ino(fromParent), name: fromName };
    const to = { parent: nodes.ino(toParent), name: toName };
    const replaced = tree.rename(from, to, mode, clock.nowNs());
    this.#nowAt(toParent, toName, to.parent);
    if (mode === 'exchange') this.#nowAt(fromParent, fromName, from.parent);
    if (replaced !== undefined) this.#afterRemoval(replaced);
    hints.changed();
  }

  readlink(nodeId: number): string {
    const node = this.#parts.nodes.node(nodeId);
    noteAccess(this.#parts, node);
    return inodeOf(this.#parts, node).target ?? '';
  }

  /** A moved inode is known to the kernel by its new name without a lookup. */
  #nowAt(parent: number, name: string, directory: Ino): void {
    const { tree, nodes } = this.#parts;
    const inode = tree.lookup(directory, name);
    const node = inode && nodes.known(inode.ino);
    if (node !== undefined) nodes.addPlace(node, { parent, name });
  }

  /** What lost its last name and is held by nobody takes its content along. */
  #afterRemoval(inode: LocalInode): void {
    const { tree, files } = this.#parts;
    if (inode.kind === 'file' && inode.nlink === 0 && tree.inode(inode.ino) === undefined) files.forget(inode.ino);
  }
}
