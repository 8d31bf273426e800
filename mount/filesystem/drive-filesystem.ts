import type {
  DirectoryPlusSink,
  DirectorySink,
  FuseAttributes,
  FuseConnection,
  FuseCreated,
  FuseFilePosition,
  FuseFilesystem,
  FuseOpened,
  FuseRenameMode,
  FuseSetAttributes,
  FuseStatfs,
  FuseTimeouts,
  FuseWriteMode,
  FuseXattrMode,
  MaybePromise,
} from '../fuse/fuse-filesystem.ts';
import type { RequestContext } from '../fuse/request-context.ts';
import { Acls } from './acls.ts';
import { AttributeHandlers } from './attribute-handlers.ts';
import { DirectoryHandlers } from './directory-handlers.ts';
import { DiskBlocks } from './disk-blocks.ts';
import { FileHandlers } from './file-handlers.ts';
import type { FilesystemParts } from './filesystem-parts.ts';
import { NameHandlers } from './name-handlers.ts';
import { Nodes } from './nodes.ts';

export interface DriveFilesystemOptions extends Omit<FilesystemParts, 'nodes' | 'diskBlocks'> {
  /** A name came to be without the kernel asking for it. */
  readonly nameAppeared: (parent: number, name: string) => void;
}

/**
 * The drive as the kernel sees it: names and attributes from the tree, bytes from content files. Only bytes that are
 * not local take time; everything else is answered at once. Nothing that the kernel caches goes stale by itself:
 * changes from elsewhere come through a `KernelInvalidator`.
 */
export class DriveFilesystem implements FuseFilesystem {
  readonly timeouts: FuseTimeouts = { entryMs: Infinity, attributesMs: Infinity, negativeEntryMs: Infinity };
  readonly keepsAcls = true;
  /** What the kernel knows, for the invalidator. */
  readonly nodes: Nodes;

  readonly #parts: FilesystemParts;
  readonly #names: NameHandlers;
  readonly #attributes: AttributeHandlers;
  readonly #files: FileHandlers;
  readonly #directories: DirectoryHandlers;

  constructor(options: DriveFilesystemOptions) {
    this.nodes = new Nodes(options.tree, options.files);
    this.#parts = { ...options, nodes: this.nodes, diskBlocks: new DiskBlocks(options.tree, options.files) };
    const acls = new Acls(this.#parts);
    this.#names = new NameHandlers(this.#parts, acls);
    this.#files = new FileHandlers(this.#parts, this.#names, options.nameAppeared);
    this.#attributes = new AttributeHandlers(this.#parts, this.#files, acls);
    this.#directories = new DirectoryHandlers(this.#parts);
  }

  init(connection: FuseConnection): void {
    this.#attributes.posixAcls = connection.posixAcls;
  }

  lookup(_context: RequestContext, parent: number, name: string): FuseAttributes | undefined {
    return this.#names.lookup(parent, name);
  }

  forget(ino: number, lookups: number): void {
    this.nodes.forget(ino, lookups);
  }

  getattr(_context: RequestContext, ino: number): FuseAttributes {
    return this.#attributes.getattr(ino);
  }

  setattr(context: RequestContext, ino: number, set: FuseSetAttributes): FuseAttributes {
    return this.#attributes.setattr(context, ino, set);
  }

  readlink(_context: RequestContext, ino: number): string {
    return this.#names.readlink(ino);
  }

  symlink(context: RequestContext, parent: number, name: string, target: string): FuseAttributes {
    return this.#names.make(context, parent, name, 'symlink', { mode: 0o777, target });
  }

  mknod(context: RequestContext, parent: number, name: string, mode: number, rdev: number): FuseAttributes {
    return this.#names.mknod(context, parent, name, mode, rdev);
  }

  mkdir(context: RequestContext, parent: number, name: string, mode: number): FuseAttributes {
    return this.#names.make(context, parent, name, 'directory', { mode });
  }

  unlink(_context: RequestContext, parent: number, name: string): void {
    this.#names.unlink(parent, name);
  }

  rmdir(_context: RequestContext, parent: number, name: string): void {
    this.#names.rmdir(parent, name);
  }

  rename(
    _context: RequestContext,
    fromParent: number,
    fromName: string,
    toParent: number,
    toName: string,
    mode: FuseRenameMode,
  ): void {
    this.#names.rename(fromParent, fromName, toParent, toName, mode);
  }

  link(_context: RequestContext, ino: number, parent: number, name: string): FuseAttributes {
    return this.#names.link(ino, parent, name);
  }

  open(context: RequestContext, ino: number, flags: number, killPrivileges: boolean): FuseOpened {
    return this.#files.open(context, ino, flags, killPrivileges);
  }

  create(context: RequestContext, parent: number, name: string, mode: number, flags: number): FuseCreated {
    return this.#files.create(context, parent, name, mode, flags);
  }

  tmpfile(context: RequestContext, parent: number, mode: number, flags: number): FuseCreated {
    return this.#files.tmpfile(context, parent, mode, flags);
  }

  read(context: RequestContext, _ino: number, fh: number, offset: number, target: Uint8Array): MaybePromise<number> {
    return this.#files.read(context, fh, offset, target);
  }

  write(
    context: RequestContext,
    ino: number,
    fh: number,
    offset: number,
    data: Uint8Array,
    how: FuseWriteMode,
  ): number {
    return this.#files.write(context, fh, ino, offset, data, how);
  }

  flush(_context: RequestContext, _ino: number, fh: number): void {
    this.#files.flush(fh);
  }

  release(_context: RequestContext, _ino: number, fh: number): void {
    this.#files.release(fh);
  }

  fsync(context: RequestContext, _ino: number, fh: number): Promise<void> {
    return this.#files.fsync(context, fh);
  }

  fallocate(_context: RequestContext, ino: number, fh: number, offset: number, length: number, mode: number): void {
    this.#files.fallocate(fh, ino, offset, length, mode);
  }

  copyFileRange(
    context: RequestContext,
    from: FuseFilePosition,
    to: FuseFilePosition,
    length: number,
  ): Promise<number> {
    return this.#files.copyFileRange(context, from, to, length);
  }

  lseek(
    context: RequestContext,
    _ino: number,
    fh: number,
    offset: number,
    whence: 'data' | 'hole',
  ): MaybePromise<number> {
    return this.#files.lseek(context, fh, offset, whence);
  }

  readdir(_context: RequestContext, ino: number, _fh: number, offset: number, sink: DirectorySink): void {
    this.#directories.readdir(ino, offset, sink);
  }

  readdirplus(_context: RequestContext, ino: number, _fh: number, offset: number, sink: DirectoryPlusSink): void {
    this.#directories.readdirplus(ino, offset, sink);
  }

  async fsyncdir(): Promise<void> {
    await this.#parts.tree.durable();
  }

  statfs(): FuseStatfs {
    return this.#attributes.statfs();
  }

  getxattr(_context: RequestContext, ino: number, name: string): Uint8Array | undefined {
    return this.#attributes.getxattr(ino, name);
  }

  listxattr(context: RequestContext, ino: number): readonly string[] {
    return this.#attributes.listxattr(context, ino);
  }

  setxattr(context: RequestContext, ino: number, name: string, value: Uint8Array, mode: FuseXattrMode): void {
    this.#attributes.setxattr(context, ino, name, value, mode);
  }

  removexattr(_context: RequestContext, ino: number, name: string): void {
    this.#attributes.removexattr(ino, name);
  }
}
