import type { InodeKind } from '../../protocol/inode-state.ts';
import { rootIno } from '../../mount/replica/local-inode.ts';
import type { Ino, LocalInode } from '../../mount/replica/local-inode.ts';
import type { LocalTree, NewInode, RenameMode } from '../../mount/replica/local-tree.ts';

export interface Place {
  readonly parent: Ino;
  readonly name: string;
}

/** What is compared of an inode: all that `stat` shows, and where a symlink points. */
export type View = Omit<LocalInode, 'id' | 'version' | 'contentDirty'>;

export interface ReferenceInode {
  readonly ino: Ino;
  readonly kind: InodeKind;
  readonly rdev: number;
  readonly target: string | null;
  mode: number;
  uid: number | null;
  gid: number | null;
  size: number;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  /** Values as hex. */
  readonly xattrs: Map<string, string>;
  readonly entries: Map<string, ReferenceEntry>;
  holds: number;
}

export interface ReferenceEntry {
  readonly inode: ReferenceInode;
  /** Tells one stay of a name in its directory from another. */
  readonly stay: number;
}

type AttributeChange = Parameters<LocalTree['setAttributes']>[1];

/**
 * A tree of plain objects that does what `LocalTree` says. Its methods expect calls that break no rule
 * (see reference-rules.ts); the numbers of new inodes are given to it.
 */
export class ReferenceTree {
  /** All that have a name or are held. */
  readonly inodes = new Map<Ino, ReferenceInode>();
  readonly root: ReferenceInode;
  #nextStay = 1;

  constructor(root: LocalInode) {
    this.root = this.#make(rootIno, root, root.atimeNs);
    Object.assign(this.root, { mtimeNs: root.mtimeNs, ctimeNs: root.ctimeNs });
  }

  find(place: Place): ReferenceInode | undefined {
    return this.inodes.get(place.parent)?.entries.get(place.name)?.inode;
  }

  /** All places of an inode, or with `undefined` all places there are. */
  placesOf(wanted: ReferenceInode | undefined): Place[] {
    return [...this.inodes.values()].flatMap((directory) =>
      [...directory.entries]
        .filter(([, entry]) => wanted === undefined || entry.inode === wanted)
        .map(([name]) => ({ parent: directory.ino, name })),
    );
  }

  /** All paths of an inode; none if it was removed. */
  pathsOf(inode: ReferenceInode): string[] {
    if (inode === this.root) return ['/'];
    return this.placesOf(inode).flatMap(({ parent, name }) =>
      this.pathsOf(this.get(parent)).map((path) => `${path === '/' ? '' : path}/${name}`),
    );
  }

  /** Whether `inode` is `top` or lies below it. */
  isWithin(inode: ReferenceInode, top: ReferenceInode): boolean {
    return inode === top || [...top.entries.values()].some((entry) => this.isWithin(inode, entry.inode));
  }

  isRemoved(inode: ReferenceInode): boolean {
    return inode !== this.root && this.placesOf(inode).length === 0;
  }

  view(inode: ReferenceInode): View {
    const { ino, kind, mode, uid, gid, rdev, size, atimeNs, mtimeNs, ctimeNs, target } = inode;
    const nlink = this.#nlink(inode);
    return { ino, kind, mode, uid, gid, rdev, size, nlink, atimeNs, mtimeNs, ctimeNs, target };
  }

  totals(): { inodes: number; bytes: number } {
    const bytes = [...this.inodes.values()].reduce((sum, inode) => sum + BigInt(inode.size), 0n);
    return { inodes: this.inodes.size, bytes: Number(bytes) };
  }

  get(ino: Ino): ReferenceInode {
    const inode = this.inodes.get(ino);
    if (inode === undefined) throw new Error(`the reference has no inode ${ino}`);
    return inode;
  }

  create(ino: Ino, place: Place, inode: NewInode, nowNs: bigint): View {
    const made = this.#make(ino, inode, nowNs);
    this.#attach(place, made, nowNs);
    return this.view(made);
  }

  createUnlinked(ino: Ino, inode: NewInode, nowNs: bigint): View {
    const made = this.#make(ino, inode, nowNs);
    made.holds = 1;
    return this.view(made);
  }

  link(ino: Ino, place: Place, nowNs: bigint): View {
    const inode = this.get(ino);
    inode.ctimeNs = nowNs;
    this.#attach(place, inode, nowNs);
    return this.view(inode);
  }

  /** `unlink` and `removeDirectory`. */
  remove(place: Place, nowNs: bigint): View {
    const inode = this.#detach(place, nowNs);
    const after = this.view(inode);
    this.#collect(inode);
    return after;
  }

  rename(from: Place, to: Place, mode: RenameMode, nowNs: bigint): View | undefined {
    const moved = this.find(from);
    const target = this.find(to);
    if (moved === undefined || target === moved) return undefined;
    this.#detach(from, nowNs);
    if (target !== undefined) this.#detach(to, nowNs);
    this.#attach(to, moved, nowNs);
    if (target === undefined) return undefined;
    if (mode === 'exchange') {
      this.#attach(from, target, nowNs);
      return undefined;
    }
    const after = this.view(target);
    this.#collect(target);
    return after;
  }

  setAttributes(ino: Ino, set: AttributeChange, nowNs: bigint): View {
    const inode = this.get(ino);
    const isReadOnly = Object.keys(set).every((key) => key === 'atimeNs');
    Object.assign(inode, set, { mode: (set.mode ?? inode.mode) & 0o7777 });
    if (!isReadOnly) inode.ctimeNs = nowNs;
    return this.view(inode);
  }

  setXattr(ino: Ino, name: string, value: Uint8Array, nowNs: bigint): void {
    const inode = this.get(ino);
    inode.xattrs.set(name, Buffer.from(value).toString('hex'));
    inode.ctimeNs = nowNs;
  }

  removeXattr(ino: Ino, name: string, nowNs: bigint): void {
    const inode = this.get(ino);
    inode.xattrs.delete(name);
    inode.ctimeNs = nowNs;
  }

  contentChanged(ino: Ino, size: number, nowNs: bigint): View {
    const inode = this.get(ino);
    Object.assign(inode, { size, mtimeNs: nowNs, ctimeNs: nowNs });
    return this.view(inode);
  }

  /** Returns whether the inode is gone. */
  release(inode: ReferenceInode): boolean {
    inode.holds -= 1;
    this.#collect(inode);
    return !this.inodes.has(inode.ino);
  }

  /** Holds do not survive a restart. */
  restart(): void {
    for (const inode of [...this.inodes.values()]) {
      inode.holds = 0;
      this.#collect(inode);
    }
  }

  #make(
    ino: Ino,
    inode: Omit<NewInode, 'uid' | 'gid'> & Pick<LocalInode, 'uid' | 'gid'>,
    nowNs: bigint,
  ): ReferenceInode {
    const { kind, uid, gid, rdev, target } = inode;
    const made: ReferenceInode = {
      ...{ ino, kind, rdev, target, mode: inode.mode & 0o7777, uid, gid, size: 0 },
      ...{ atimeNs: nowNs, mtimeNs: nowNs, ctimeNs: nowNs, xattrs: new Map(), entries: new Map(), holds: 0 },
    };
    this.inodes.set(ino, made);
    return made;
  }

  #attach(place: Place, inode: ReferenceInode, nowNs: bigint): void {
    const directory = this.get(place.parent);
    directory.entries.set(place.name, { inode, stay: this.#nextStay++ });
    Object.assign(directory, { mtimeNs: nowNs, ctimeNs: nowNs });
  }

  #detach(place: Place, nowNs: bigint): ReferenceInode {
    const directory = this.get(place.parent);
    const inode = this.find(place);
    if (inode === undefined) throw new Error(`the reference has no "${place.name}" in ${place.parent}`);
    directory.entries.delete(place.name);
    Object.assign(directory, { mtimeNs: nowNs, ctimeNs: nowNs });
    inode.ctimeNs = nowNs;
    return inode;
  }

  #collect(inode: ReferenceInode): void {
    if (inode.holds === 0 && this.isRemoved(inode)) this.inodes.delete(inode.ino);
  }

  #nlink(inode: ReferenceInode): number {
    if (inode.kind !== 'directory') return this.placesOf(inode).length;
    if (this.isRemoved(inode)) return 0;
    return 2 + [...inode.entries.values()].filter((entry) => entry.inode.kind === 'directory').length;
  }
}
