import { DriveError, isDriveError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { conflictedCopyName } from '../../protocol/names.ts';
import { bringLocalBytes, canShare, copyBytes } from '../content/content-copy.ts';
import type { ContentFile } from '../content/content-file.ts';
import { ManifestMap } from '../content/manifest-map.ts';
import { fallocateModes, openFlags, openReplyFlags } from '../fuse/constants.ts';
import { FuseError } from '../fuse/errno.ts';
import type {
  FuseCreated,
  FuseFilePosition,
  FuseOpened,
  FuseWriteMode,
  MaybePromise,
} from '../fuse/fuse-filesystem.ts';
import type { RequestContext } from '../fuse/request-context.ts';
import { Readahead } from '../hydration/readahead.ts';
import type { LocalInode } from '../replica/local-inode.ts';
import { noteAccess } from './access-times.ts';
import { entryOf, inodeOf } from './filesystem-parts.ts';
import type { FilesystemParts } from './filesystem-parts.ts';
import type { NameHandlers } from './name-handlers.ts';
import type { KnownPlace, Node } from './nodes.ts';
import { modeAfterChange } from './privileges.ts';

/** The most that one call copies by its bytes. */
const copyBytesMax = 16 * 1024 * 1024;

/** One open file description of the kernel. */
interface OpenFile {
  readonly node: Node;
  readonly content: ContentFile;
  readonly readahead: Readahead;
  /** Written to since the sync engine was last told of a close. */
  wasWritten: boolean;
  /** Not opened with O_NOATIME. */
  readonly notesAccess: boolean;
}

/** Open files and their bytes. */
export class FileHandlers {
  readonly #parts: FilesystemParts;
  readonly #names: NameHandlers;
  /** Tells where a conflicted copy made here has its name, since the kernel may believe there is none. */
  readonly #nameAppeared: (parent: number, name: string) => void;
  readonly #open = new Map<number, OpenFile>();
  #nextFh = 1;

  constructor(parts: FilesystemParts, names: NameHandlers, nameAppeared: (parent: number, name: string) => void) {
    this.#parts = parts;
    this.#names = names;
    this.#nameAppeared = nameAppeared;
  }

  open(context: RequestContext, nodeId: number, flags: number, killPrivileges: boolean): FuseOpened {
    const node = this.#parts.nodes.node(nodeId);
    const { kind } = inodeOf(this.#parts, node);
    if (kind === 'directory') throw new DriveError('isDirectory', 'a folder cannot be opened as a file');
    if (kind !== 'file') throw new FuseError('ENXIO', `a ${kind} has no content`);
    const opened = this.#register(node, false, flags);
    if ((flags & openFlags.truncate) !== 0) this.truncate(node, 0);
    if (killPrivileges) this.#killPrivileges(context, node);
    const keepsCache = node.stalePages === undefined;
    return { fh: opened, openFlags: openReplyFlags.noFlush | (keepsCache ? openReplyFlags.keepCache : 0) };
  }

  create(context: RequestContext, parent: number, name: string, mode: number, flags: number): FuseCreated {
    const inode = this.#names.create(context, parent, name, 'file', { mode });
    return this.#created(inode, { parent, name }, flags);
  }

  tmpfile(context: RequestContext, parent: number, mode: number, flags: number): FuseCreated {
    const inode = this.#names.createUnlinked(context, parent, mode);
    const created = this.#created(inode, undefined, flags);
    // The tree held it once for its maker; the node holds it now.
    this.#parts.tree.release(inode.ino);
    return created;
  }

  read(context: RequestContext, fh: number, offset: number, target: Uint8Array): MaybePromise<number> {
    const open = this.#file(fh);
    const { content, node } = open;
    if (open.notesAccess && !node.isAccessNoted) {
      noteAccess(this.#parts, node);
      node.isAccessNoted = true;
    }
    const ahead = content.isHydrated ? undefined : open.readahead.next(offset, target.length);
    if (content.isReadable(offset, Math.min(target.length, content.size - offset))) {
      if (ahead !== undefined) this.#parts.hydrator.readAhead(content, ahead);
      return content.read(offset, target);
    }
    return this.#readWhenHydrated(context, open, offset, target, ahead);
  }

  write(
    context: RequestContext,
    fh: number,
    nodeId: number,
    offset: number,
    data: Uint8Array,
    how: FuseWriteMode,
  ): number {
    const { node, content } = this.#fileOf(fh, nodeId);
    const at = how.append && !how.fromCache ? content.size : offset;
    if (at + data.length > limits.fileBytesMax) throw new DriveError('tooLarge', 'the file would be too large');
    const sizeBefore = content.size;
    try {
      this.#beforeChange(node, content);
      content.write(at, data);
    } catch (error) {
      const written = Math.max(0, content.size - Math.max(sizeBefore, at));
      if (written > 0) this.#changed(node, content);
      throw error;
    }
    this.#changed(node, content);
    const open = this.#open.get(fh);
    if (open !== undefined) open.wasWritten = true;
    if (how.killPrivileges) this.#killPrivileges(context, node);
    return data.length;
  }

  /** Sets the size, through an open file or not. */
  truncate(node: Node, size: number): void {
    const { nodes, hints } = this.#parts;
    const { kind } = inodeOf(this.#parts, node);
    if (kind === 'directory') throw new DriveError('isDirectory', 'a folder has no size to set');
    if (kind !== 'file') throw new DriveError('invalidArgument', `a ${kind} has no size to set`);
    if (size > limits.fileBytesMax) throw new DriveError('tooLarge', 'the file would be too large');
    const wasOpen = node.opens > 0;
    const content = node.content ?? nodes.open(node);
    try {
      if (size === content.size) {
        this.#touch(node);
      } else {
        this.#beforeChange(node, content);
        content.truncate(size);
        this.#changed(node, content);
      }
    } finally {
      if (!wasOpen) nodes.close(node);
    }
    if (!wasOpen) hints.contentClosed(node.ino);
  }

  fallocate(fh: number, nodeId: number, offset: number, length: number, mode: number): void {
    const { node, content } = this.#fileOf(fh, nodeId);
    const keepsSize = (mode & fallocateModes.keepSize) !== 0;
    const isZeroing = (mode & (fallocateModes.punchHole | fallocateModes.zeroRange)) !== 0;
    const known = fallocateModes.keepSize | fallocateModes.punchHole | fallocateModes.zeroRange;
    if ((mode & ~known) !== 0) throw new FuseError('EOPNOTSUPP', 'only holes, zeros and reservations are supported');
    if (offset + length > limits.fileBytesMax) throw new DriveError('tooLarge', 'the file would be too large');
    const end = offset + length;
    if (!isZeroing) content.reserve(offset, length);
    const grows = !keepsSize && end > content.size;
    if (!isZeroing && !grows) return this.#touch(node);
    this.#beforeChange(node, content);
    if (isZeroing) content.punch(offset, length);
    if (grows) content.truncate(end);
    this.#changed(node, content);
  }

  /** Copies within the drive; how much of it is up to here, and the caller goes on (copy_file_range(2)). */
  async copyFileRange(
    context: RequestContext,
    from: FuseFilePosition,
    to: FuseFilePosition,
    length: number,
  ): Promise<number> {
    const { content: source } = this.#fileOf(from.fh, from.ino);
    const { node, content: target } = this.#fileOf(to.fh, to.ino);
    const count = Math.min(length, source.size - from.offset);
    if (count <= 0) return 0;
    if (to.offset + count > limits.fileBytesMax) throw new DriveError('tooLarge', 'the file would be too large');
    const open = this.#open.get(to.fh);
    if (open !== undefined) open.wasWritten = true;
    const isWhole = from.offset === 0 && to.offset === 0 && count === source.size;
    if (isWhole && (await this.#share(context, source, node, target))) return count;
    const copied = Math.min(count, copyBytesMax);
    await this.#parts.hydrator.ensure(source, from.offset, copied, context.signal);
    this.#beforeChange(node, target);
    copyBytes(source, target, from.offset, to.offset, copied);
    this.#changed(node, target);
    return copied;
  }

  /** A new file that gets all of a committed one shares its blocks: what is not local need not come for that. */
  async #share(context: RequestContext, source: ContentFile, node: Node, target: ContentFile): Promise<boolean> {
    if (!canShare(source, target)) return false;
    await this.#learnLayout(context, source);
    if (source.map === undefined || source.map.size !== source.size || !canShare(source, target)) return false;
    target.becomeCopyOf(source, source.map);
    this.#changed(node, target);
    await bringLocalBytes(source, target);
    return true;
  }

  lseek(context: RequestContext, fh: number, offset: number, whence: 'data' | 'hole'): MaybePromise<number> {
    const { content } = this.#file(fh);
    if (content.isHydrated || content.map !== undefined) return seekIn(content, offset, whence);
    return this.#learnLayout(context, content)
      .catch((error: unknown) => {
        // Without the server, what is not here counts as data.
        if (!isDriveError(error, 'unavailable') && !isDriveError(error, 'timeout')) throw error;
      })
      .then(() => seekIn(content, offset, whence));
  }

  /** Makes known where the version that `content` is of has data; the server is asked if nobody here knows. */
  async #learnLayout(context: RequestContext, content: ContentFile): Promise<void> {
    if (content.map !== undefined) return;
    const { tree, hydrator } = this.#parts;
    const inode = tree.inode(content.ino);
    const isHead = inode?.id === content.source.inode && inode.version === content.source.version;
    const known = isHead ? tree.manifest(content.ino) : undefined;
    const gap = content.missing(0, content.size)[0];
    if (known !== undefined) content.map = new ManifestMap(known);
    // The first read of a version asks for its manifest.
    else if (gap !== undefined) await hydrator.ensure(content, gap.start, 1, context.signal);
  }

  flush(fh: number): void {
    const open = this.#file(fh);
    if (!open.wasWritten) return;
    open.wasWritten = false;
    this.#parts.hints.contentClosed(open.node.ino);
  }

  release(fh: number): void {
    const open = this.#file(fh);
    const { node } = open;
    this.#open.delete(fh);
    if (open.wasWritten) this.#parts.hints.contentClosed(node.ino);
    this.#parts.nodes.close(node);
  }

  /** Bytes durable first, then what names them; in mode `remote`, committed too. */
  async fsync(context: RequestContext, fh: number): Promise<void> {
    const { node, content } = this.#file(fh);
    const { tree, hints, syncMode } = this.#parts;
    await content.sync();
    await tree.durable();
    const inode = tree.inode(node.ino);
    if (syncMode === 'remote' && inode !== undefined && inode.nlink > 0)
      await hints.committed(node.ino, context.signal);
  }

  #created(inode: LocalInode, place: KnownPlace | undefined, flags: number): FuseCreated {
    const attributes = entryOf(this.#parts, inode, place);
    const fh = this.#register(this.#parts.nodes.node(attributes.ino), true, flags);
    return { attributes, opened: { fh, openFlags: openReplyFlags.noFlush | openReplyFlags.keepCache } };
  }

  /** `isNew`: the file was made by this open, so that its close is what tells that it is whole, written to or not. */
  #register(node: Node, isNew: boolean, flags: number): number {
    const content = this.#parts.nodes.open(node);
    const fh = this.#nextFh;
    this.#nextFh += 1;
    const notesAccess = (flags & openFlags.noAccessTime) === 0;
    this.#open.set(fh, { node, content, readahead: new Readahead(), wasWritten: isNew, notesAccess });
    return fh;
  }

  #file(fh: number): OpenFile {
    const open = this.#open.get(fh);
    if (open === undefined) throw new FuseError('EBADF');
    return open;
  }

  /** The kernel writes a mapping back through any handle it has; its node's content is what counts. */
  #fileOf(fh: number, nodeId: number): { readonly node: Node; readonly content: ContentFile } {
    const open = this.#open.get(fh);
    if (open !== undefined) return open;
    const node = this.#parts.nodes.node(nodeId);
    if (node.content === undefined) throw new FuseError('EBADF');
    return { node, content: node.content };
  }

  async #readWhenHydrated(
    context: RequestContext,
    open: OpenFile,
    offset: number,
    target: Uint8Array,
    ahead: { readonly start: number; readonly end: number } | undefined,
  ): Promise<number> {
    const { hydrator } = this.#parts;
    const hydrated = hydrator.ensure(open.content, offset, target.length, context.signal);
    if (ahead !== undefined) hydrator.readAhead(open.content, ahead);
    await hydrated;
    return open.content.read(offset, target);
  }

  #changed(node: Node, content: ContentFile): void {
    if (!content.isRetired) {
      this.#parts.tree.contentChanged(node.ino, content.size, this.#parts.clock.nowNs());
      this.#parts.hints.changed();
    }
    node.isAccessNoted = false;
  }

  /** A change of content that leaves every byte as it was moves the times all the same. */
  #touch(node: Node): void {
    const { tree, clock, hints } = this.#parts;
    const nowNs = clock.nowNs();
    tree.setAttributes(node.ino, { mtimeNs: nowNs }, nowNs);
    node.isAccessNoted = false;
    hints.changed();
  }

  /**
   * Who writes to a content that was replaced from elsewhere meanwhile must not lose it: it becomes a conflicted copy
   * beside the new one, and those who have it open go on with that.
   */
  #beforeChange(node: Node, content: ContentFile): void {
    if (content.ino !== node.ino) this.#parts.nodes.rebind(node, content.ino);
    if (!content.isRetired) return;
    const { tree, nodes, files, clock, author } = this.#parts;
    const inode = inodeOf(this.#parts, node);
    const place = node.places.findLast(({ parent, name }) => {
      const directory = nodes.inoIfKnown(parent);
      return directory !== undefined && tree.lookup(directory, name)?.ino === node.ino;
    });
    if (place === undefined || inode.nlink === 0) return;
    const parent = nodes.ino(place.parent);
    const origin = { author, timeMs: clock.nowMs() };
    let name = '';
    for (let attempt = 1; name === '' || tree.lookup(parent, name) !== undefined; attempt += 1) {
      name = conflictedCopyName(place.name, { ...origin, attempt });
    }
    const { mode, uid, gid } = inode;
    const owner = { uid: uid ?? this.#parts.owner.uid, gid: gid ?? this.#parts.owner.gid };
    const copy = tree.create(parent, name, { kind: 'file', mode, ...owner, rdev: 0, target: null }, clock.nowNs());
    files.adopt(content, copy.ino);
    nodes.rebind(node, copy.ino);
    nodes.addPlace(node, { parent: place.parent, name });
    this.#nameAppeared(place.parent, name);
  }

  #killPrivileges(context: RequestContext, node: Node): void {
    const { tree, clock, owner } = this.#parts;
    const inode = inodeOf(this.#parts, node);
    const mode = modeAfterChange(inode, inode.gid ?? owner.gid, context);
    if (mode !== inode.mode) tree.setAttributes(node.ino, { mode }, clock.nowNs());
  }
}

function seekIn(content: ContentFile, offset: number, whence: 'data' | 'hole'): number {
  if (offset >= content.size) throw new FuseError('ENXIO');
  const data = content.dataRanges(offset)[0];
  if (whence === 'data') {
    if (data === undefined) throw new FuseError('ENXIO');
    return data.start;
  }
  return data === undefined || data.start > offset ? offset : data.end;
}
