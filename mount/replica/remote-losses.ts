import { versionZero } from '../../protocol/ids.ts';
import { conflictedCopyName } from '../../protocol/names.ts';
import type { LocalPlace } from './dentry-table.ts';
import type { InodeRow } from './inode-table.ts';
import type { InvalidationSet } from './invalidation-set.ts';
import { rootIno } from './local-inode.ts';
import type { Ino } from './local-inode.ts';
import type { RemoteChanges } from './remote-changes.ts';
import type { ReplicaState } from './replica-state.ts';

interface Loss extends LocalPlace {
  readonly ino: Ino;
  /** Whether it had been taken away from there here too. */
  readonly movedHere: boolean;
}

/**
 * Decides, once a whole commit is applied, about inodes that lost a name in it. One that has a name elsewhere was
 * moved: a local move of it came second and is undone. One that has none was removed: it goes, unless it holds
 * content or entries that are dirty here, which are kept where they were.
 */
export class RemoteLosses {
  readonly #state: ReplicaState;
  readonly #remote: RemoteChanges;
  readonly #stale: InvalidationSet;

  constructor(state: ReplicaState, remote: RemoteChanges, stale: InvalidationSet) {
    this.#state = state;
    this.#remote = remote;
    this.#stale = stale;
  }

  decide(): void {
    const losses = this.#read();
    const byIno = Map.groupBy(losses, (loss) => loss.ino);
    const removed: Ino[] = [];
    for (const [ino, own] of byIno) {
      if (this.#state.row(ino) === undefined) continue;
      if (this.#standsOnServer(ino)) {
        this.#undoMoves(ino, own);
        this.#keepUnseenEdit(ino, byIno);
      } else removed.push(ino);
    }
    const isKept = (ino: Ino) => {
      const row = this.#state.row(ino);
      return row !== undefined && this.#holdsDirt(row);
    };
    for (const ino of removed) if (isKept(ino)) this.#keep(ino, byIno);
    for (const ino of removed) if (!isKept(ino)) this.#drop(ino);
    if (losses.length > 0) this.#state.db.run('delete from remote_losses');
    for (const ino of byIno.keys()) this.#state.collect(ino);
    this.sweep();
  }

  /** Lets go of what was kept for something dirty in it and holds nothing dirty any more. */
  sweep(): void {
    for (let again = true; again;) {
      again = false;
      for (const ino of this.#state.dirty.gone()) {
        const row = this.#state.row(ino);
        if (row === undefined) {
          this.#state.dirty.delete(ino);
        } else if (this.#standsOnServer(ino)) {
          this.#state.dirty.setRemoteGone(ino, false);
          this.#state.dirty.dropIfClean(ino, row.contentDirty);
        } else if (!this.#holdsDirt(row) && this.#state.dirty.get(ino)?.isPlanned !== true) {
          this.#drop(ino);
          again = true;
        }
      }
    }
  }

  #read(): Loss[] {
    return this.#state.db
      .all('select ino, parent, name, moved_here from remote_losses order by ino, parent, name')
      .map((value) => {
        const row = value as { ino: Ino; parent: Ino; name: string; moved_here: number };
        return { ino: row.ino, parent: row.parent, name: row.name, movedHere: row.moved_here === 1 };
      });
  }

  #standsOnServer(ino: Ino): boolean {
    if (ino === rootIno || this.#state.dirty.get(ino)?.created === true) return true;
    if (this.#state.places.withRemote(ino).length > 0) return true;
    return this.#state.dentries.namesOf(ino).some((place) => this.#state.places.get(place) === undefined);
  }

  #holdsDirt(row: InodeRow): boolean {
    return row.kind === 'directory' ? !this.#state.dentries.isEmpty(row.ino) : row.contentDirty;
  }

  /** The server moved what was moved here too: its move was first. */
  #undoMoves(ino: Ino, losses: readonly Loss[]): void {
    let moves = losses.filter((loss) => loss.movedHere).length;
    for (const place of this.#state.dentries.namesOf(ino)) {
      const dirty = this.#state.places.get(place);
      if (moves === 0) return;
      if (dirty === undefined || dirty.remote === ino || dirty.isPlanned) continue;
      this.#remote.undo(place, false);
      moves -= 1;
    }
  }

  /**
   * The server took away the last name that was left here of a file with dirty content, and has it under one that was
   * removed here: it stays where it was, so that the edit goes on.
   */
  #keepUnseenEdit(ino: Ino, losses: ReadonlyMap<Ino, readonly Loss[]>): void {
    const row = this.#state.row(ino);
    if (row === undefined || !row.contentDirty || row.links > 0) return;
    if (this.#state.places.withRemote(ino).every((place) => place.base === ino)) this.#showAgain(row, losses);
  }

  /** Keeps a removed inode visible for what is dirty in it. */
  #keep(ino: Ino, losses: ReadonlyMap<Ino, readonly Loss[]>): void {
    this.#state.dirty.setRemoteGone(ino, true);
    const row = this.#state.row(ino);
    if (row === undefined || row.links > 0) return;
    this.#showAgain(row, losses);
  }

  /** Puts an inode without a name back where it was last. */
  #showAgain(row: InodeRow, losses: ReadonlyMap<Ino, readonly Loss[]>): void {
    const { ino } = row;
    const last = losses.get(ino)?.find((loss) => loss.parent !== 0 && this.#state.row(loss.parent) !== undefined);
    const wanted = last ?? { parent: rootIno, name: `restored ${row.id}` };
    const place = this.#freePlace(wanted);
    const dirty = this.#state.places.get(place);
    if (dirty === undefined) {
      this.#state.places.add(place, ino, row.version, null);
    } else {
      this.#state.places.setBase(place, ino, row.version);
    }
    this.#state.setVisible(place, ino);
    this.#stale.entry(place);
    const parent = this.#state.row(place.parent);
    if (parent !== undefined && parent.ino !== rootIno && parent.links === 0) this.#keep(parent.ino, losses);
  }

  #freePlace(wanted: LocalPlace): LocalPlace {
    const timeMs = this.#state.environment.clock.nowMs();
    let place: LocalPlace = { parent: wanted.parent, name: wanted.name };
    for (let attempt = 1; this.#state.dentries.find(place.parent, place.name) !== null; attempt += 1) {
      const name = conflictedCopyName(wanted.name, { author: 'this device', timeMs, attempt });
      place = { parent: wanted.parent, name };
    }
    return place;
  }

  #drop(ino: Ino): void {
    for (const place of this.#state.dentries.namesOf(ino)) this.#remote.undo(place, false);
    for (const place of this.#state.places.withBase(ino)) {
      this.#state.places.setBase(place, null, versionZero);
      this.#state.placeChanged(place);
    }
    const dirty = this.#state.dirty.get(ino);
    if (dirty !== undefined && !dirty.isPlanned) this.#state.dirty.delete(ino);
    this.#state.collect(ino);
  }
}
