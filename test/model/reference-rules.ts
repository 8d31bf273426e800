import type { DriveErrorCode } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { Ino } from '../../mount/replica/local-inode.ts';
import type { NewInode, RenameMode } from '../../mount/replica/local-tree.ts';
import type { Place, ReferenceInode, ReferenceTree } from './reference-tree.ts';

/** Which rules a call breaks, each by its code: any of them may be told, and if there is none the call must succeed. */
export class ReferenceRules {
  readonly #tree: ReferenceTree;

  constructor(tree: ReferenceTree) {
    this.#tree = tree;
  }

  existing(ino: Ino): DriveErrorCode[] {
    return this.#tree.inodes.has(ino) ? [] : ['notFound'];
  }

  create(place: Place, inode: NewInode): DriveErrorCode[] {
    return [...this.#freePlace(place), ...this.newInode(inode)];
  }

  newInode(inode: NewInode): DriveErrorCode[] {
    return Buffer.byteLength(inode.target ?? '') > limits.symlinkTargetBytesMax ? ['nameTooLong'] : [];
  }

  link(ino: Ino, place: Place): DriveErrorCode[] {
    const isDirectory = this.#tree.inodes.get(ino)?.kind === 'directory';
    return [...this.existing(ino), ...(isDirectory ? ['isDirectory' as const] : []), ...this.#freePlace(place)];
  }

  unlink(place: Place): DriveErrorCode[] {
    return [...this.#taken(place), ...(this.#tree.find(place)?.kind === 'directory' ? ['isDirectory' as const] : [])];
  }

  removeDirectory(place: Place): DriveErrorCode[] {
    const inode = this.#tree.find(place);
    if (inode === undefined) return this.#taken(place);
    if (inode.kind !== 'directory') return ['notDirectory'];
    return inode.entries.size > 0 ? ['notEmpty'] : [];
  }

  rename(from: Place, to: Place, mode: RenameMode): DriveErrorCode[] {
    const codes = [...this.#taken(from), ...this.#directory(to.parent), ...nameCodes(to.name)];
    const moved = this.#tree.find(from);
    const target = this.#tree.find(to);
    if (mode === 'noReplace' && target !== undefined) codes.push('exists');
    if (mode === 'exchange' && target === undefined) codes.push('notFound');
    if (moved === undefined || target === moved) return codes;
    if (this.#goesBelow(to.parent, moved)) codes.push('invalidArgument');
    if (target === undefined) return codes;
    if (mode === 'exchange') {
      if (this.#goesBelow(from.parent, target)) codes.push('invalidArgument');
      return codes;
    }
    if (target.kind === 'directory' && moved.kind !== 'directory') codes.push('isDirectory');
    if (target.kind !== 'directory' && moved.kind === 'directory') codes.push('notDirectory');
    if (target.entries.size > 0) codes.push('notEmpty');
    return codes;
  }

  setXattr(ino: Ino, name: string, value: Uint8Array, mode: 'any' | 'create' | 'replace'): DriveErrorCode[] {
    const codes = this.existing(ino);
    if (name === '' || name.includes('\0')) codes.push('invalidArgument');
    if (Buffer.byteLength(name) > limits.xattrNameBytesMax || value.length > limits.xattrValueBytesMax) {
      codes.push('tooLarge');
    }
    const isThere = this.#tree.inodes.get(ino)?.xattrs.has(name) === true;
    if (mode === 'create' && isThere) codes.push('exists');
    if (mode === 'replace' && !isThere) codes.push('notFound');
    return codes;
  }

  removeXattr(ino: Ino, name: string): DriveErrorCode[] {
    return this.#tree.inodes.get(ino)?.xattrs.has(name) === true ? [] : ['notFound'];
  }

  contentChanged(ino: Ino, size: number): DriveErrorCode[] {
    const codes = this.existing(ino);
    if (codes.length === 0 && this.#tree.get(ino).kind !== 'file') codes.push('invalidArgument');
    if (!Number.isSafeInteger(size) || size < 0) codes.push('invalidArgument');
    if (size > limits.fileBytesMax) codes.push('tooLarge');
    return codes;
  }

  #directory(ino: Ino): DriveErrorCode[] {
    const inode = this.#tree.inodes.get(ino);
    if (inode === undefined) return ['notFound'];
    if (inode.kind !== 'directory') return ['notDirectory'];
    return this.#tree.isRemoved(inode) ? ['notFound'] : [];
  }

  #freePlace(place: Place): DriveErrorCode[] {
    const isTaken = this.#tree.find(place) !== undefined;
    return [...this.#directory(place.parent), ...nameCodes(place.name), ...(isTaken ? ['exists' as const] : [])];
  }

  #taken(place: Place): DriveErrorCode[] {
    const codes = this.#directory(place.parent);
    return codes.length === 0 && this.#tree.find(place) === undefined ? ['notFound'] : codes;
  }

  #goesBelow(parent: Ino, moved: ReferenceInode): boolean {
    const directory = this.#tree.inodes.get(parent);
    return directory !== undefined && this.#tree.isWithin(directory, moved);
  }
}

function nameCodes(name: string): DriveErrorCode[] {
  if (['', '.', '..'].includes(name) || /[/\0]/.test(name) || !name.isWellFormed()) return ['invalidName'];
  return Buffer.byteLength(name) > limits.nameBytesMax ? ['nameTooLong'] : [];
}
