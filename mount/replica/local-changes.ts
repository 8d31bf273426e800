import { DriveError } from '../../protocol/errors.ts';
import { makeId, versionZero } from '../../protocol/ids.ts';
import type { InodeId } from '../../protocol/ids.ts';
import type { InodeAttributes } from '../../protocol/inode-state.ts';
import { limits } from '../../protocol/limits.ts';
import { checkName } from '../../protocol/names.ts';
import type { LocalPlace } from './dentry-table.ts';
import { attributeBits } from './dirty-inodes.ts';
import type { InodeRow } from './inode-table.ts';
import { rootIno } from './local-inode.ts';
import type { Ino } from './local-inode.ts';
import type { LocalTree, NewInode, RenameMode } from './local-tree.ts';
import type { ReplicaState } from './replica-state.ts';

type AttributeChange = Parameters<LocalTree['setAttributes']>[1];

const timeBits = attributeBits.mtimeNs | attributeBits.ctimeNs;

/** The changes a user makes: each checks the rules of the tree, applies, and marks what it touched dirty. */
export class LocalChanges {
  readonly #state: ReplicaState;

  constructor(state: ReplicaState) {
    this.#state = state;
  }

  create(parent: Ino, name: string, inode: NewInode, nowNs: bigint): InodeRow {
    this.#freePlace({ parent, name });
    const row = this.#insert(inode, nowNs);
    this.#give({ parent, name }, row, nowNs);
    return this.#existing(row.ino);
  }

  createUnlinked(inode: NewInode, nowNs: bigint): InodeRow {
    const row = this.#insert(inode, nowNs);
    this.#state.holds.set(row.ino, 1);
    return row;
  }

  link(ino: Ino, parent: Ino, name: string, nowNs: bigint): InodeRow {
    const row = this.#existing(ino);
    if (row.kind === 'directory') throw new DriveError('isDirectory', 'a folder can have only one name');
    this.#freePlace({ parent, name });
    this.#state.inodes.setCtime(ino, nowNs);
    this.#give({ parent, name }, row, nowNs);
    return this.#existing(ino);
  }

  unlink(parent: Ino, name: string, nowNs: bigint): InodeRow {
    const row = this.#taken({ parent, name });
    if (row.kind === 'directory') throw new DriveError('isDirectory', `"${name}" is a folder`);
    return this.#remove({ parent, name }, row, nowNs);
  }

  removeDirectory(parent: Ino, name: string, nowNs: bigint): InodeRow {
    const row = this.#taken({ parent, name });
    if (row.kind !== 'directory') throw new DriveError('notDirectory', `"${name}" is not a folder`);
    if (!this.#state.dentries.isEmpty(row.ino)) throw new DriveError('notEmpty', `the folder "${name}" is not empty`);
    return this.#remove({ parent, name }, row, nowNs);
  }

  rename(from: LocalPlace, to: LocalPlace, mode: RenameMode, nowNs: bigint): InodeRow | undefined {
    const moved = this.#taken(from);
    this.#directory(to.parent);
    checkName(to.name);
    const target = this.#state.dentries.lookup(to.parent, to.name);
    if (mode === 'exchange') {
      if (target === undefined || !target.known) throw notFound(to.name);
      return this.#exchange(from, moved, to, target, nowNs);
    }
    if (target !== undefined && (mode === 'noReplace' || !target.known)) throw taken(to.name);
    if (target?.ino === moved.ino) return undefined; // rename(2): two names of one file, nothing happens
    this.#checkNoCycle(moved, to.parent);
    if (target !== undefined) this.#checkReplaceable(moved, target, to.name);
    this.#state.touchPlace(from);
    this.#state.touchPlace(to);
    this.#noteSeen(from, moved);
    this.#state.dentries.detach(from.parent, from.name, moved);
    if (target !== undefined) {
      this.#noteSeen(to, target);
      this.#state.dentries.detach(to.parent, to.name, target);
      this.#state.inodes.setCtime(target.ino, nowNs);
    }
    this.#state.dentries.attach(to.parent, to.name, moved);
    this.#afterMove(from, moved, to, nowNs);
    return target === undefined ? undefined : this.#afterLoss(target);
  }

  setAttributes(ino: Ino, set: AttributeChange, nowNs: bigint): InodeRow {
    const row = this.#existing(ino);
    const { atimeNs, ...changes } = set;
    const isChange = Object.keys(changes).length > 0;
    const next: InodeAttributes & { atimeNs: bigint } = {
      mode: changes.mode === undefined ? row.mode : changes.mode & 0o7777,
      uid: changes.uid === undefined ? row.uid : changes.uid,
      gid: changes.gid === undefined ? row.gid : changes.gid,
      mtimeNs: changes.mtimeNs ?? row.mtimeNs,
      ctimeNs: isChange ? nowNs : row.ctimeNs,
      atimeNs: atimeNs ?? row.atimeNs,
    };
    this.#state.inodes.setAttributes(ino, next);
    let bits = 0;
    for (const key of ['mode', 'uid', 'gid', 'mtimeNs'] as const)
      if (next[key] !== row[key]) bits |= attributeBits[key];
    if (bits !== 0) this.#state.dirty.addAttributes(ino, bits | attributeBits.ctimeNs);
    return this.#existing(ino);
  }

  setXattr(ino: Ino, name: string, value: Uint8Array, mode: 'any' | 'create' | 'replace', nowNs: bigint): void {
    this.#existing(ino);
    checkXattr(name, value);
    const present = this.#state.xattrs.get(ino, name);
    if (mode === 'create' && present !== undefined) throw new DriveError('exists', `the attribute "${name}" is set`);
    if (mode === 'replace' && present === undefined) throw noXattr(name);
    if (present === undefined && this.#state.xattrs.names(ino).length >= limits.xattrsPerInodeMax) {
      throw new DriveError('noSpace', `a file has at most ${limits.xattrsPerInodeMax} extended attributes`);
    }
    this.#state.xattrs.set(ino, name, value);
    this.#state.inodes.setCtime(ino, nowNs);
    this.#state.dirty.addXattr(ino, name);
  }

  removeXattr(ino: Ino, name: string, nowNs: bigint): void {
    this.#existing(ino);
    if (this.#state.xattrs.get(ino, name) === undefined) throw noXattr(name);
    this.#state.xattrs.remove(ino, name);
    this.#state.inodes.setCtime(ino, nowNs);
    this.#state.dirty.addXattr(ino, name);
  }

  contentChanged(ino: Ino, size: number, nowNs: bigint): InodeRow {
    const row = this.#existing(ino);
    if (row.kind !== 'file') throw new DriveError('invalidArgument', 'only a file has content');
    if (!Number.isSafeInteger(size) || size < 0)
      throw new DriveError('invalidArgument', `a file cannot have ${size} bytes`);
    if (size > limits.fileBytesMax) throw new DriveError('tooLarge', `a file has at most ${limits.fileBytesMax} bytes`);
    this.#state.inodes.contentChanged(row, size, nowNs);
    this.#state.dirty.contentChanged(ino, Number(nowNs / 1_000_000n));
    return this.#existing(ino);
  }

  /** Undoes one hold; returns whether it was the last. */
  releaseOne(ino: Ino): boolean {
    const count = this.#state.holds.get(ino) ?? 0;
    if (count > 1) {
      this.#state.holds.set(ino, count - 1);
      return false;
    }
    this.#state.holds.delete(ino);
    const row = this.#state.row(ino);
    return row === undefined || (row.links === 0 && ino !== rootIno);
  }

  /** Lets go of an inode without names or holds. */
  letGo(ino: Ino): boolean {
    const row = this.#state.row(ino);
    if (row !== undefined) this.#state.dropContent(row);
    this.#state.collect(ino);
    return true;
  }

  #insert(inode: NewInode, nowNs: bigint): InodeRow {
    const ino = this.#state.inodes.allocate();
    const { clock, randomness } = this.#state.environment;
    if (inode.target !== null && Buffer.byteLength(inode.target) > limits.symlinkTargetBytesMax) {
      throw new DriveError('nameTooLong', `a symlink's target has at most ${limits.symlinkTargetBytesMax} bytes`);
    }
    this.#state.inodes.insert({
      ...{ ino, id: makeId<InodeId>(clock, randomness), known: true, kind: inode.kind, mode: inode.mode & 0o7777 },
      ...{ uid: inode.uid, gid: inode.gid, rdev: inode.rdev, size: 0, target: inode.target, version: versionZero },
      ...{ atimeNs: nowNs, mtimeNs: nowNs, ctimeNs: nowNs },
    });
    this.#state.dirty.addCreated(ino);
    // Whoever makes a file is about to write to it: others are to see it once, with what it is to hold.
    return inode.kind === 'file' ? this.contentChanged(ino, 0, nowNs) : this.#existing(ino);
  }

  #exchange(from: LocalPlace, moved: InodeRow, to: LocalPlace, target: InodeRow, nowNs: bigint): InodeRow | undefined {
    if (target.ino === moved.ino) return undefined;
    this.#checkNoCycle(moved, to.parent);
    this.#checkNoCycle(target, from.parent);
    this.#state.touchPlace(from);
    this.#state.touchPlace(to);
    this.#noteSeen(from, moved);
    this.#noteSeen(to, target);
    this.#state.dentries.detach(from.parent, from.name, moved);
    this.#state.dentries.detach(to.parent, to.name, target);
    this.#state.dentries.attach(to.parent, to.name, moved);
    this.#state.dentries.attach(from.parent, from.name, target);
    this.#state.inodes.setCtime(target.ino, nowNs);
    this.#afterMove(from, moved, to, nowNs);
    return undefined;
  }

  #afterMove(from: LocalPlace, moved: InodeRow, to: LocalPlace, nowNs: bigint): void {
    this.#state.inodes.setCtime(moved.ino, nowNs);
    this.#touchDirectory(from.parent, nowNs);
    if (to.parent !== from.parent) this.#touchDirectory(to.parent, nowNs);
    this.#state.placeChanged(from);
    this.#state.placeChanged(to);
  }

  /**
   * A place that a plan under way gives to `row` is taken from it again. The version the user had seen is the base of
   * that, whatever the server has by the time the plan is settled.
   */
  #noteSeen(place: LocalPlace, row: InodeRow): void {
    this.#state.db.run(
      'update dirty_places set seen_version = ? where parent = ? and name = ? and is_planned = 1 and planned = ?',
      ...[row.version, place.parent, place.name, row.ino],
    );
  }

  /** Lets a free place lead to `row`. */
  #give(place: LocalPlace, row: InodeRow, nowNs: bigint): void {
    this.#state.touchPlace(place);
    this.#state.dentries.attach(place.parent, place.name, row);
    this.#touchDirectory(place.parent, nowNs);
    this.#state.placeChanged(place);
  }

  #remove(place: LocalPlace, row: InodeRow, nowNs: bigint): InodeRow {
    this.#state.touchPlace(place);
    this.#noteSeen(place, row);
    this.#state.dentries.detach(place.parent, place.name, row);
    this.#state.inodes.setCtime(row.ino, nowNs);
    this.#touchDirectory(place.parent, nowNs);
    const after = this.#afterLoss(row);
    this.#state.placeChanged(place);
    return after;
  }

  /** The inode as it is after it lost a name; if that was the last, it may be gone from the tables then. */
  #afterLoss(row: InodeRow): InodeRow {
    const after = this.#existing(row.ino);
    if (after.links === 0 && !this.#state.holds.has(row.ino)) this.#state.dropContent(after);
    this.#state.collect(row.ino);
    return after;
  }

  #touchDirectory(directory: Ino, nowNs: bigint): void {
    this.#state.inodes.touch(directory, nowNs, nowNs);
    this.#state.dirty.addAttributes(directory, timeBits);
  }

  #existing(ino: Ino): InodeRow {
    const row = this.#state.row(ino);
    if (row === undefined || !row.known) throw new DriveError('notFound', `there is no inode ${ino}`);
    return row;
  }

  /** A directory that has a name (or is the root). */
  #directory(ino: Ino): InodeRow {
    const row = this.#existing(ino);
    if (row.kind !== 'directory') throw new DriveError('notDirectory', `inode ${ino} is not a folder`);
    if (row.nlink === 0) throw new DriveError('notFound', `the folder with inode ${ino} was removed`);
    return row;
  }

  #freePlace(place: LocalPlace): void {
    this.#directory(place.parent);
    checkName(place.name);
    if (this.#state.dentries.find(place.parent, place.name) !== null) throw taken(place.name);
  }

  #taken(place: LocalPlace): InodeRow {
    this.#directory(place.parent);
    const row = this.#state.dentries.lookup(place.parent, place.name);
    if (row === undefined || !row.known) throw notFound(place.name);
    return row;
  }

  #checkNoCycle(moved: InodeRow, into: Ino): void {
    if (moved.kind === 'directory' && this.#state.isWithin(into, moved.ino)) {
      throw new DriveError('invalidArgument', 'a folder cannot be moved into itself');
    }
  }

  #checkReplaceable(moved: InodeRow, target: InodeRow, name: string): void {
    if (target.kind === 'directory') {
      if (moved.kind !== 'directory') throw new DriveError('isDirectory', `"${name}" is a folder`);
      if (!this.#state.dentries.isEmpty(target.ino)) {
        throw new DriveError('notEmpty', `the folder "${name}" is not empty`);
      }
    } else if (moved.kind === 'directory') {
      throw new DriveError('notDirectory', `"${name}" is not a folder`);
    }
  }
}

function notFound(name: string): DriveError {
  return new DriveError('notFound', `there is no "${name}"`);
}

function taken(name: string): DriveError {
  return new DriveError('exists', `"${name}" is there already`);
}

function noXattr(name: string): DriveError {
  return new DriveError('notFound', `there is no attribute "${name}"`);
}

function checkXattr(name: string, value: Uint8Array): void {
  if (name === '' || name.includes('\0') || !name.isWellFormed()) {
    throw new DriveError('invalidArgument', 'the name of an extended attribute is UTF-8 without NUL');
  }
  if (Buffer.byteLength(name) > limits.xattrNameBytesMax) {
    throw new DriveError('tooLarge', `the name of an extended attribute has at most ${limits.xattrNameBytesMax} bytes`);
  }
  if (value.length > limits.xattrValueBytesMax) {
    throw new DriveError('tooLarge', `an extended attribute has at most ${limits.xattrValueBytesMax} bytes`);
  }
}
