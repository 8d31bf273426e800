import type { DirectoryPlusSink, DirectorySink } from '../fuse/fuse-filesystem.ts';
import type { LocalEntry } from '../replica/local-inode.ts';
import { modeOf } from './attributes.ts';
import { noteAccess } from './access-times.ts';
import { attributesOfInode, inodeOf } from './filesystem-parts.ts';
import type { FilesystemParts } from './filesystem-parts.ts';

/** "." and ".." come first, at offsets 1 and 2; an entry's offset is its cookie plus this. */
const cookieShift = 2;
const pageEntries = 256;

/** Listing directories. An offset stays good while entries come and go, and needs no state here. */
export class DirectoryHandlers {
  readonly #parts: FilesystemParts;

  constructor(parts: FilesystemParts) {
    this.#parts = parts;
  }

  readdir(nodeId: number, offset: number, sink: DirectorySink): void {
    const { nodes } = this.#parts;
    this.#walk(nodeId, offset, sink, ({ name, inode, cookie }) => {
      const id = nodes.known(inode.ino)?.id ?? inode.ino;
      return sink.addName(name, id, modeOf(inode), cookie + cookieShift);
    });
  }

  readdirplus(nodeId: number, offset: number, sink: DirectoryPlusSink): void {
    const { nodes } = this.#parts;
    this.#walk(nodeId, offset, sink, ({ name, inode, cookie }) => {
      const node = nodes.lookedUp(inode.ino, { parent: nodeId, name });
      const attributes = attributesOfInode(this.#parts, inode, node);
      if (sink.addEntry(name, attributes, cookie + cookieShift)) return true;
      nodes.forget(node.id, 1);
      return false;
    });
  }

  #walk(nodeId: number, offset: number, sink: DirectorySink, add: (entry: LocalEntry) => boolean): void {
    const { tree, nodes } = this.#parts;
    const node = nodes.node(nodeId);
    const inode = inodeOf(this.#parts, node);
    if (offset === 0) noteAccess(this.#parts, node);
    if (offset < 1 && !sink.addName('.', node.id, modeOf(inode), 1)) return;
    if (offset < 2) {
      const parent = tree.parentOf(node.ino);
      const id = nodes.known(parent)?.id ?? parent;
      if (!sink.addName('..', id, modeOf(tree.inode(parent) ?? inode), 2)) return;
    }
    for (let cookie = Math.max(0, offset - cookieShift); ;) {
      const page = tree.list(node.ino, cookie, pageEntries);
      for (const entry of page) if (!add(entry)) return;
      const last = page.at(-1);
      if (last === undefined || page.length < pageEntries) return;
      cookie = last.cookie;
    }
  }
}
