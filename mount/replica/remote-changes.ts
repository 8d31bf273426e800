import type { Change } from '../../protocol/changes.ts';
import { versionZero } from '../../protocol/ids.ts';
import type { InodeId } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { LocalPlace } from './dentry-table.ts';
import { attributeBits } from './dirty-inodes.ts';
import type { InodeRow } from './inode-table.ts';
import type { InvalidationSet } from './invalidation-set.ts';
import type { Ino } from './local-inode.ts';
import type { ReplicaState } from './replica-state.ts';

/**
 * Applies what the server says beneath what is dirty. A clean place or attribute takes the remote state; a dirty
 * place stays visible as it is and remembers the remote state. The visible tree stays a tree: where a local move of
 * a directory does not go together with the server's tree any more, the server was first and the move is undone.
 */
export class RemoteChanges {
  readonly #state: ReplicaState;
  readonly #stale: InvalidationSet;

  constructor(state: ReplicaState, stale: InvalidationSet) {
    this.#state = state;
    this.#stale = stale;
  }

  apply(change: Change): void {
    if (change.type === 'inode') this.#inode(change.state, change.manifest);
    else if (change.type === 'dentry') this.#dentry(change.parent, change.name, change.inode);
    else this.#gone(change.inode);
  }

  /** Makes the place lead where the server says, as visible here. */
  show(place: LocalPlace, ino: Ino | null): void {
    if (this.#state.dentries.find(place.parent, place.name) === ino) return;
    const row = ino === null ? undefined : this.#state.row(ino);
    if (row?.known === true && row.kind === 'directory') {
      this.#leaveAll(row.ino);
      this.#breakCycle(place.parent, row.ino);
    }
    if (row !== undefined) this.#takeHead(row);
    this.#state.setVisible(place, ino);
    this.#stale.entry(place);
    if (ino !== null) this.#stale.attributes(ino);
  }

  /** Undoes a local change of where a place leads; `restore` shows again what was taken away from elsewhere. */
  undo(place: LocalPlace, restore: boolean): void {
    const dirty = this.#state.places.get(place);
    if (dirty === undefined) return;
    const undone = this.#state.dentries.find(place.parent, place.name);
    this.#state.setVisible(place, null);
    this.show(place, dirty.remote);
    this.#stale.entry(place);
    if (!dirty.isPlanned) this.#state.forgetPlace(place);
    if (restore && undone !== null) this.#restore(undone);
  }

  /** Makes the inode known by its id; what only its id is known of is not shown. */
  ensure(id: InodeId): Ino {
    const known = this.#state.inodes.byId(id);
    if (known !== undefined) return known.ino;
    const ino = this.#state.inodes.allocate();
    this.#state.inodes.insert({
      ...{ ino, id, known: false, kind: 'file', mode: 0, uid: null, gid: null, rdev: 0, size: 0, target: null },
      ...{ atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n, version: versionZero },
    });
    return ino;
  }

  #dentry(parentId: InodeId, name: string, inodeId: InodeId | null): void {
    const parent = this.ensure(parentId);
    const ino = inodeId === null ? null : this.ensure(inodeId);
    const place = { parent, name };
    const dirty = this.#state.places.get(place);
    const visible = this.#state.dentries.find(parent, name);
    if (dirty === undefined) {
      if (visible === ino) return;
      if (visible !== null) this.#noteLoss(visible, place, false);
      this.show(place, ino);
      return;
    }
    if (dirty.remote !== ino) {
      this.#state.places.setRemote(place, ino);
      const former = dirty.remote;
      if (former !== null) this.#noteLoss(former, place, former === dirty.base && former !== visible);
      // Removed here, and something else stands there by now: nobody here wanted that removed.
      if (visible === null && ino !== null && ino !== dirty.base) this.show(place, ino);
      if (former !== null) this.#state.collect(former);
    }
    this.#state.placeChanged(place);
  }

  #gone(id: InodeId): void {
    const row = this.#state.inodes.byId(id);
    if (row !== undefined) this.#noteLoss(row.ino, { parent: 0 as Ino, name: '' }, false);
  }

  /** The inode lost a name on the server; what that means is known when the whole commit is applied. */
  #noteLoss(ino: Ino, place: LocalPlace, movedHere: boolean): void {
    this.#state.db.run(
      `insert into remote_losses (ino, parent, name, moved_here) values (?, ?, ?, ?)
       on conflict (ino, parent, name) do nothing`,
      ...[ino, place.parent, place.name, movedHere ? 1 : 0],
    );
  }

  /** Takes away the name of a directory, and what undoing a local exchange put in its place: its other end. */
  #leaveAll(ino: Ino): void {
    for (let names = this.#state.dentries.namesOf(ino); names.length > 0; names = this.#state.dentries.namesOf(ino)) {
      for (const name of names) this.#leave(name, ino);
    }
  }

  /** A directory is to be shown elsewhere: takes away the name under which it is shown now. */
  #leave(place: LocalPlace, ino: Ino): void {
    const dirty = this.#state.places.get(place);
    // Where the server had it until this commit, its leaving is still to be told.
    if (dirty === undefined || dirty.remote === ino) {
      this.#state.setVisible(place, null);
      this.#stale.entry(place);
    } else {
      this.undo(place, false);
    }
  }

  /** Undoes local moves until `directory` does not lie below `ino` any more. */
  #breakCycle(directory: Ino, ino: Ino): void {
    while (this.#state.isWithin(directory, ino)) {
      const moved = this.#movedBetween(directory, ino);
      if (moved === undefined) return;
      this.undo(moved, true);
    }
  }

  /** The lowest place on the way up from `directory` to `ino` that was changed here. */
  #movedBetween(directory: Ino, ino: Ino): LocalPlace | undefined {
    for (let at = directory; at !== ino;) {
      const place = this.#state.dentries.namesOf(at)[0];
      if (place === undefined) return undefined;
      const dirty = this.#state.places.get(place);
      if (dirty !== undefined && dirty.remote !== at) return place;
      at = place.parent;
    }
    return undefined;
  }

  /** Shows an inode again where the server has it, after the local move away from there was undone. */
  #restore(ino: Ino): void {
    for (const place of this.#state.places.withRemote(ino)) {
      const visible = this.#state.dentries.find(place.parent, place.name);
      if (visible === ino) continue;
      if (visible === null) {
        this.show(place, ino);
        this.#state.placeChanged(place);
      } else {
        // Something new stands there: it meets this inode as a newcomer.
        this.#state.places.setBase(place, null, versionZero);
      }
    }
  }

  #inode(state: InodeState, manifest: Manifest | null): void {
    const ino = this.ensure(state.inode);
    let row = this.#state.row(ino);
    if (row === undefined) return;
    if (!row.known) row = this.#becomeKnown(row, state);
    this.#attributes(row, state);
    this.#xattrs(row, state);
    if (row.kind === 'file') this.#content(row, state, manifest);
  }

  #becomeKnown(row: InodeRow, state: InodeState): InodeRow {
    const places = this.#state.dentries.namesOf(row.ino);
    for (const place of places) this.#state.setVisible(place, null);
    this.#state.inodes.setKind(row.ino, state.kind, state.rdev, state.target);
    for (const place of places) this.show(place, row.ino);
    return this.#state.row(row.ino) ?? row;
  }

  #attributes(row: InodeRow, state: InodeState): void {
    const dirty = this.#state.dirty.get(row.ino);
    let mask = (dirty?.attributes ?? 0) | (dirty?.plannedAttributes ?? 0);
    if (row.contentDirty) mask |= attributeBits.mtimeNs | attributeBits.ctimeNs;
    const keep = (bit: number) => (mask & bit) !== 0;
    const next = {
      mode: keep(attributeBits.mode) ? row.mode : state.mode,
      uid: keep(attributeBits.uid) ? row.uid : state.uid,
      gid: keep(attributeBits.gid) ? row.gid : state.gid,
      mtimeNs: keep(attributeBits.mtimeNs) ? row.mtimeNs : state.mtimeNs,
      ctimeNs: keep(attributeBits.ctimeNs) ? row.ctimeNs : state.ctimeNs,
      atimeNs: row.atimeNs === 0n ? state.mtimeNs : row.atimeNs,
    };
    const keys = ['mode', 'uid', 'gid', 'mtimeNs', 'ctimeNs', 'atimeNs'] as const;
    if (keys.every((key) => next[key] === row[key])) return;
    this.#state.inodes.setAttributes(row.ino, next);
    this.#stale.attributes(row.ino);
  }

  #xattrs(row: InodeRow, state: InodeState): void {
    const dirty = new Set(this.#state.dirty.xattrs(row.ino).map((xattr) => xattr.name));
    const present = this.#state.xattrs.all(row.ino);
    for (const [name, value] of state.xattrs) {
      const old = present.get(name);
      present.delete(name);
      if (dirty.has(name) || (old !== undefined && Buffer.compare(old, value) === 0)) continue;
      this.#state.xattrs.set(row.ino, name, value);
      this.#stale.attributes(row.ino);
    }
    for (const name of present.keys()) {
      if (dirty.has(name)) continue;
      this.#state.xattrs.remove(row.ino, name);
      this.#stale.attributes(row.ino);
    }
  }

  /** A file comes back whose dirty content was dropped when it lost its last name. */
  #takeHead(row: InodeRow): InodeRow {
    if (row.kind !== 'file' || row.contentDirty || this.#state.remoteHeads.get(row.ino) === undefined) return row;
    this.#state.revertContent(row);
    this.#stale.content(row.ino);
    return this.#state.row(row.ino) ?? row;
  }

  #content(row: InodeRow, state: InodeState, manifest: Manifest | null): void {
    if (row.contentDirty) {
      this.#state.remoteHeads.set(row.ino, { version: state.version, size: state.size, manifest });
      return;
    }
    const { version, size } = this.#takeHead(row);
    if (version !== state.version || size !== state.size) {
      this.#state.inodes.setClean(row, state.size, state.version);
      this.#stale.content(row.ino);
    }
    if (version !== state.version || manifest !== null) this.#state.manifests.set(row, state.version, manifest);
  }
}
