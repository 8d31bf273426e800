import { DriveError } from '../../../protocol/errors.ts';
import { fileTypeBits, openFlags, openReplyFlags, rootNodeId } from '../../../mount/fuse/constants.ts';
import { FuseError } from '../../../mount/fuse/errno.ts';
import type {
  DirectoryPlusSink,
  DirectorySink,
  FuseAttributes,
  FuseCreated,
  FuseFilesystem,
  FuseOpened,
  FuseRenameMode,
  FuseSetAttributes,
  FuseStatfs,
  FuseTimeouts,
  FuseWriteMode,
  FuseXattrMode,
  MaybePromise,
} from '../../../mount/fuse/fuse-filesystem.ts';
import { modeWithoutPrivileges } from '../../../mount/fuse/fuse-filesystem.ts';
import type { RequestContext } from '../../../mount/fuse/request-context.ts';
import { MemoryNode } from './memory-node.ts';

/** A complete filesystem in memory, in which the driver's tests can change things behind the kernel's back. */
export class MemoryFilesystem implements FuseFilesystem {
  readonly timeouts: FuseTimeouts;
  readonly root: MemoryNode;
  readonly #nodes = new Map<number, MemoryNode>();
  #nextIno = rootNodeId;

  constructor(timeouts: FuseTimeouts, owner: { readonly uid: number; readonly gid: number }) {
    this.timeouts = timeouts;
    this.root = this.#make(fileTypeBits.directory | 0o755, owner);
    this.root.nlink = 2;
    this.root.lookups = 1;
  }

  /** How many inodes are alive, unlinked ones that are open or known to the kernel included. */
  get inodeCount(): number {
    return this.#nodes.size;
  }

  node(ino: number): MemoryNode {
    const node = this.#nodes.get(ino);
    if (node === undefined) throw new FuseError('ESTALE');
    return node;
  }

  child(parent: number, name: string): MemoryNode {
    const node = this.#directory(parent).get(name);
    if (node === undefined) throw new DriveError('notFound', `no "${name}"`);
    return node;
  }

  /** A change that did not come through the kernel. */
  addFile(parent: number, name: string, content: string, owner: { readonly uid: number; readonly gid: number }): void {
    const node = this.#make(fileTypeBits.file | 0o644, owner);
    node.write(0, Buffer.from(content));
    this.#directory(parent).set(name, node);
  }

  /** A change that did not come through the kernel. */
  removeName(parent: number, name: string): void {
    this.#remove(parent, name, this.child(parent, name));
  }

  lookup(_context: RequestContext, parent: number, name: string): MaybePromise<FuseAttributes | undefined> {
    const node = this.#directory(parent).get(name);
    return node === undefined ? undefined : this.#enter(node);
  }

  forget(ino: number, lookups: number): void {
    const node = this.node(ino);
    node.lookups -= lookups;
    if (node.lookups < 0) throw new Error(`inode ${ino} was forgotten more often than it was looked up`);
    this.#dropIfDead(node);
  }

  getattr(_context: RequestContext, ino: number): FuseAttributes {
    return this.node(ino).attributes();
  }

  setattr(_context: RequestContext, ino: number, set: FuseSetAttributes): FuseAttributes {
    const node = this.node(ino);
    const now = nowNs();
    if (set.size !== undefined) {
      node.resize(set.size);
      node.mtimeNs = now;
    }
    if (set.mode !== undefined) node.mode = (node.mode & fileTypeBits.mask) | set.mode;
    if (set.killPrivileges && node.isFile) node.mode = modeWithoutPrivileges(node.mode);
    node.uid = set.uid ?? node.uid;
    node.gid = set.gid ?? node.gid;
    if (set.atimeNs !== undefined) node.atimeNs = set.atimeNs === 'now' ? now : set.atimeNs;
    if (set.mtimeNs !== undefined) node.mtimeNs = set.mtimeNs === 'now' ? now : set.mtimeNs;
    node.ctimeNs = now;
    return node.attributes();
  }

  readlink(_context: RequestContext, ino: number): string {
    return this.node(ino).target;
  }

  symlink(context: RequestContext, parent: number, name: string, target: string): FuseAttributes {
    const node = this.#add(context, parent, name, fileTypeBits.symlink | 0o777);
    node.target = target;
    return this.#enter(node);
  }

  mknod(context: RequestContext, parent: number, name: string, mode: number, rdev: number): FuseAttributes {
    const node = this.#add(context, parent, name, mode);
    node.rdev = rdev;
    return this.#enter(node);
  }

  mkdir(context: RequestContext, parent: number, name: string, mode: number): FuseAttributes {
    const node = this.#add(context, parent, name, fileTypeBits.directory | mode);
    node.nlink = 2;
    this.node(parent).nlink += 1;
    return this.#enter(node);
  }

  unlink(_context: RequestContext, parent: number, name: string): void {
    const node = this.child(parent, name);
    if (node.isDirectory) throw new DriveError('isDirectory', `"${name}" is a directory`);
    this.#remove(parent, name, node);
  }

  rmdir(_context: RequestContext, parent: number, name: string): void {
    const node = this.child(parent, name);
    if (!node.isDirectory) throw new DriveError('notDirectory', `"${name}" is no directory`);
    if (node.children.size > 0) throw new DriveError('notEmpty', `"${name}" is not empty`);
    this.#remove(parent, name, node);
  }

  rename(
    _context: RequestContext,
    fromParent: number,
    fromName: string,
    toParent: number,
    toName: string,
    mode: FuseRenameMode,
  ): void {
    const moved = this.child(fromParent, fromName);
    const replaced = this.#directory(toParent).get(toName);
    if (mode === 'exchange') {
      const other = this.child(toParent, toName);
      this.#directory(fromParent).set(fromName, other);
      this.#directory(toParent).set(toName, moved);
      return;
    }
    if (replaced !== undefined) {
      if (mode === 'noReplace') throw new DriveError('exists', `"${toName}" exists`);
      if (replaced.children.size > 0) throw new DriveError('notEmpty', `"${toName}" is not empty`);
      this.#remove(toParent, toName, replaced);
    }
    this.#directory(fromParent).delete(fromName);
    this.#directory(toParent).set(toName, moved);
    if (moved.isDirectory && fromParent !== toParent) {
      this.node(fromParent).nlink -= 1;
      this.node(toParent).nlink += 1;
    }
    moved.ctimeNs = nowNs();
  }

  link(_context: RequestContext, ino: number, parent: number, name: string): FuseAttributes {
    const node = this.node(ino);
    const directory = this.#directory(parent);
    if (directory.has(name)) throw new DriveError('exists', `"${name}" exists`);
    directory.set(name, node);
    node.nlink += 1;
    return this.#enter(node);
  }

  open(_context: RequestContext, ino: number, flags: number, killPrivileges: boolean): FuseOpened {
    const node = this.node(ino);
    if ((flags & openFlags.truncate) !== 0) {
      node.resize(0);
      node.mtimeNs = nowNs();
    }
    if (killPrivileges) node.mode = modeWithoutPrivileges(node.mode);
    node.opens += 1;
    return { fh: ino, openFlags: openReplyFlags.keepCache };
  }

  create(context: RequestContext, parent: number, name: string, mode: number): FuseCreated {
    const node = this.#add(context, parent, name, fileTypeBits.file | mode);
    node.opens += 1;
    return { attributes: this.#enter(node), opened: { fh: node.ino, openFlags: openReplyFlags.keepCache } };
  }

  tmpfile(context: RequestContext, _parent: number, mode: number): FuseCreated {
    const node = this.#make(fileTypeBits.file | mode, context);
    node.nlink = 0;
    node.opens += 1;
    return { attributes: this.#enter(node), opened: { fh: node.ino, openFlags: openReplyFlags.keepCache } };
  }

  read(_context: RequestContext, ino: number, _fh: number, offset: number, target: Uint8Array): MaybePromise<number> {
    return this.node(ino).read(offset, target);
  }

  write(
    _context: RequestContext,
    ino: number,
    _fh: number,
    offset: number,
    data: Uint8Array,
    how: FuseWriteMode,
  ): MaybePromise<number> {
    const node = this.node(ino);
    node.write(how.append ? node.size : offset, data);
    if (how.killPrivileges) node.mode = modeWithoutPrivileges(node.mode);
    node.mtimeNs = node.ctimeNs = nowNs();
    return data.length;
  }

  release(_context: RequestContext, ino: number): void {
    const node = this.node(ino);
    node.opens -= 1;
    this.#dropIfDead(node);
  }

  readdir(_context: RequestContext, ino: number, _fh: number, offset: number, sink: DirectorySink): void {
    this.#list(ino, offset, (name, node, next) => sink.addName(name, node.ino, node.mode, next));
  }

  readdirplus(_context: RequestContext, ino: number, _fh: number, offset: number, sink: DirectoryPlusSink): void {
    this.#list(ino, offset, (name, node, next) => {
      if (name === '.' || name === '..') return sink.addName(name, node.ino, node.mode, next);
      if (!sink.addEntry(name, node.attributes(), next)) return false;
      node.lookups += 1;
      return true;
    });
  }

  fsync(): void {
    // Memory is as durable as it gets.
  }

  lseek(_context: RequestContext, ino: number, _fh: number, offset: number, whence: 'data' | 'hole'): number {
    const { size } = this.node(ino);
    if (offset >= size) throw new FuseError('ENXIO');
    return whence === 'data' ? offset : size;
  }

  statfs(): FuseStatfs {
    return {
      blockBytes: 4096,
      blocks: 1_000_000,
      blocksFree: 600_000,
      blocksAvailable: 500_000,
      files: this.#nodes.size,
      filesFree: 1_000_000,
      nameBytesMax: 255,
    };
  }

  getxattr(_context: RequestContext, ino: number, name: string): Uint8Array | undefined {
    return this.node(ino).xattrs.get(name);
  }

  listxattr(_context: RequestContext, ino: number): readonly string[] {
    return [...this.node(ino).xattrs.keys()];
  }

  setxattr(_context: RequestContext, ino: number, name: string, value: Uint8Array, mode: FuseXattrMode): void {
    const { xattrs } = this.node(ino);
    if (mode === 'create' && xattrs.has(name)) throw new DriveError('exists', `${name} exists`);
    if (mode === 'replace' && !xattrs.has(name)) throw new DriveError('notFound', `no ${name}`);
    xattrs.set(name, Uint8Array.from(value));
  }

  removexattr(_context: RequestContext, ino: number, name: string): void {
    if (!this.node(ino).xattrs.delete(name)) throw new DriveError('notFound', `no ${name}`);
  }

  #list(ino: number, offset: number, add: (name: string, node: MemoryNode, next: number) => boolean): void {
    const node = this.node(ino);
    if (offset < 1 && !add('.', node, 1)) return;
    if (offset < 2 && !add('..', node, 2)) return;
    for (const { cookie, name, child } of node.entriesAfter(offset)) if (!add(name, child, cookie)) return;
  }

  #directory(ino: number): MemoryNode['children'] {
    const node = this.node(ino);
    if (!node.isDirectory) throw new DriveError('notDirectory', `inode ${ino} is no directory`);
    return node.children;
  }

  #make(mode: number, owner: { readonly uid: number; readonly gid: number }): MemoryNode {
    const node = new MemoryNode(this.#nextIno, mode, owner, nowNs());
    this.#nextIno += 1;
    this.#nodes.set(node.ino, node);
    return node;
  }

  #add(context: RequestContext, parent: number, name: string, mode: number): MemoryNode {
    const directory = this.#directory(parent);
    if (directory.has(name)) throw new DriveError('exists', `"${name}" exists`);
    const node = this.#make(mode, context);
    directory.set(name, node);
    return node;
  }

  #enter(node: MemoryNode): FuseAttributes {
    node.lookups += 1;
    return node.attributes();
  }

  #remove(parent: number, name: string, node: MemoryNode): void {
    this.#directory(parent).delete(name);
    if (node.isDirectory) this.node(parent).nlink -= 1;
    node.nlink -= node.isDirectory ? 2 : 1;
    this.#dropIfDead(node);
  }

  #dropIfDead(node: MemoryNode): void {
    if (node.nlink === 0 && node.opens === 0 && node.lookups === 0) this.#nodes.delete(node.ino);
  }
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
