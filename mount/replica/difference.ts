import type { LocalPlace } from './dentry-table.ts';
import type { DirtyInode } from './dirty-inodes.ts';
import type { DirtyPlace } from './dirty-places.ts';
import type { InodeRow } from './inode-table.ts';
import { rootIno } from './local-inode.ts';
import type { Ino } from './local-inode.ts';
import type { ReplicaState } from './replica-state.ts';

/** A thing of which the visible state and the agreed one differ. */
export type Differing =
  { readonly type: 'place'; readonly place: DirtyPlace } | { readonly type: 'inode'; readonly ino: Ino };

export function differingKey(node: Differing): string {
  return node.type === 'place' ? `p${node.place.parent}/${node.place.name}` : `i${node.ino}`;
}

/** A move: one name of an inode that left one dirty place and came to another. */
interface Pair {
  readonly from: DirtyPlace;
  readonly to: DirtyPlace;
}

/** Reads, for one plan, the difference between what is visible and what is agreed. Nothing may change meanwhile. */
export class Difference {
  readonly #state: ReplicaState;
  readonly #rows = new Map<Ino, InodeRow | undefined>();
  readonly #dirty = new Map<Ino, DirtyInode | undefined>();
  readonly #visible = new Map<string, Ino | null>();
  readonly #movedAbove = new Map<Ino, DirtyPlace | null>();
  /** Of each inode asked about, since every one of its names asks again, and there may be thousands. */
  readonly #firstGains = new Map<Ino, DirtyPlace | null>();
  readonly #moves = new Map<Ino, Pair | null>();

  constructor(state: ReplicaState) {
    this.#state = state;
  }

  row(ino: Ino): InodeRow | undefined {
    if (!this.#rows.has(ino)) this.#rows.set(ino, this.#state.row(ino));
    return this.#rows.get(ino);
  }

  dirty(ino: Ino): DirtyInode | undefined {
    if (!this.#dirty.has(ino)) this.#dirty.set(ino, this.#state.dirty.get(ino));
    return this.#dirty.get(ino);
  }

  visible(place: LocalPlace): Ino | null {
    const key = `${place.parent}/${place.name}`;
    const known = this.#visible.get(key);
    if (known !== undefined) return known;
    const found = this.#state.dentries.find(place.parent, place.name);
    this.#visible.set(key, found);
    return found;
  }

  /** What the user took away from the place, having seen it there: the server still has it there. */
  lost(place: DirtyPlace): Ino | null {
    return place.remote !== null && place.remote === place.base && this.visible(place) !== place.remote
      ? place.remote
      : null;
  }

  /** What the user put at the place. */
  gained(place: DirtyPlace): Ino | null {
    const visible = this.visible(place);
    return visible !== place.remote ? visible : null;
  }

  isCreated(ino: Ino): boolean {
    return this.dirty(ino)?.created === true;
  }

  /** The place at which a new inode is to be made; its other places are links to it. */
  creationPlace(ino: Ino): DirtyPlace | undefined {
    return this.#firstGain(ino) ?? undefined;
  }

  /** The move of an existing inode, if one of its names left a place and another came to be. */
  move(ino: Ino): Pair | undefined {
    let move = this.#moves.get(ino);
    if (move === undefined) {
      move = this.#findMove(ino);
      this.#moves.set(ino, move);
    }
    return move ?? undefined;
  }

  /** Whether the content that goes along with a new name is uploaded; `exactly` as it is now. */
  isContentReady(row: InodeRow, exactly: boolean): boolean {
    if (!row.contentDirty) return true;
    const uploaded = this.dirty(row.ino)?.uploadedSequence ?? null;
    return uploaded !== null && (!exactly || uploaded === row.sequence);
  }

  /** What must come in the same commit or earlier. */
  edgesOf(node: Differing): readonly Differing[] {
    if (node.type === 'inode') return [];
    const edges: Differing[] = [];
    const add = (place: DirtyPlace | undefined | null) => {
      if (place) edges.push({ type: 'place', place });
    };
    const gained = this.gained(node.place);
    if (gained !== null) {
      add(this.#movedAt(node.place.parent));
      add(this.isCreated(gained) ? this.creationPlace(gained) : this.move(gained)?.from);
      const row = this.row(gained);
      if (row?.contentDirty === true && !this.isCreated(gained)) edges.push({ type: 'inode', ino: gained });
    }
    const lost = this.lost(node.place);
    if (lost !== null) {
      const move = this.move(lost);
      if (move !== undefined && isSamePlace(move.from, node.place)) add(move.to);
      else if (this.row(lost)?.kind === 'directory') {
        for (const inside of this.#state.places.inDirectory(lost)) if (this.lost(inside) !== null) add(inside);
      }
    }
    return edges;
  }

  #findMove(ino: Ino): Pair | null {
    if (this.isCreated(ino)) return null;
    const from = this.#state.places.withBase(ino).find((place) => this.lost(place) === ino);
    const to = from === undefined ? null : this.#firstGain(ino);
    return from === undefined || to === null ? null : { from, to };
  }

  /** The place that came to lead to the inode first. */
  #firstGain(ino: Ino): DirtyPlace | null {
    const known = this.#firstGains.get(ino);
    if (known !== undefined) return known;
    let first: DirtyPlace | null = null;
    for (const name of this.#state.dentries.namesOf(ino)) {
      const place = this.#state.places.get(name);
      if (place !== undefined && place.remote !== ino && (first === null || place.seq < first.seq)) first = place;
    }
    this.#firstGains.set(ino, first);
    return first;
  }

  /** The nearest place at or above `directory`, on the way to the root, that came to lead there by a change here. */
  #movedAt(directory: Ino): DirtyPlace | null {
    const passed: Ino[] = [];
    let found: DirtyPlace | null = null;
    for (let at = directory; at !== rootIno && !passed.includes(at);) {
      const cached = this.#movedAbove.get(at);
      if (cached !== undefined) {
        found = cached;
        break;
      }
      passed.push(at);
      const name = this.#state.dentries.namesOf(at)[0];
      if (name === undefined) break;
      const place = this.#state.places.get(name);
      if (place !== undefined && place.remote !== at) {
        found = place;
        break;
      }
      at = name.parent;
    }
    for (const ino of passed) this.#movedAbove.set(ino, found);
    return found;
  }
}

/** Whether two records are of one place. */
export function isSamePlace(a: LocalPlace, b: LocalPlace): boolean {
  return a.parent === b.parent && a.name === b.name;
}
