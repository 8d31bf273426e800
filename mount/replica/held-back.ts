import type { InodeId } from '../../protocol/ids.ts';
import type { Ino } from './local-inode.ts';
import type { OperationMark } from './planned-commit.ts';
import type { ReplicaState } from './replica-state.ts';

/** What an inode was like when a plan about it was refused. */
interface Seen {
  readonly appearance: string;
  /** The content that was refused. */
  readonly uploadedSequence: number | null;
}

/** What one refused plan was about. */
interface Refused {
  readonly inodes: ReadonlyMap<Ino, Seen>;
}

/**
 * The inodes that are left out of plans because the server refused what was changed about them. Kept in memory only: after a
 * restart they are tried again.
 */
export class HeldBack {
  readonly #state: ReplicaState;
  #refused: Refused[] = [];
  readonly #inodes = new Set<Ino>();

  constructor(state: ReplicaState) {
    this.#state = state;
  }

  /** Holds back what a refused plan was about. */
  add(marks: readonly OperationMark[]): void {
    const inodes = new Map<Ino, Seen>();
    for (const { ino, sequence } of marks) {
      if (this.#inodes.has(ino)) continue;
      // Newer content may have been uploaded while the older was refused.
      const uploadedSequence = sequence ?? inodes.get(ino)?.uploadedSequence ?? this.#uploadedSequence(ino);
      inodes.set(ino, { appearance: this.#appearance(ino), uploadedSequence });
    }
    if (inodes.size > 0) this.#refused.push({ inodes });
    for (const ino of inodes.keys()) this.#inodes.add(ino);
  }

  has(ino: Ino): boolean {
    return this.#inodes.has(ino);
  }

  /** The longest held back first. */
  list(): readonly Ino[] {
    return [...this.#inodes];
  }

  /** Lets go of what was changed since it was refused. Content counts as changed once it is uploaded. */
  releaseChanged(): void {
    this.#release(this.#refused.filter(({ inodes }) => [...inodes].some(([ino, seen]) => this.#isChanged(ino, seen))));
  }

  /** Lets go of what was refused by one plan, the longest ago, or of all; returns which inodes these are. */
  release(which: 'oldest' | 'all'): readonly InodeId[] {
    return this.#release(which === 'all' ? this.#refused : this.#refused.slice(0, 1));
  }

  #release(released: readonly Refused[]): readonly InodeId[] {
    const ids: InodeId[] = [];
    for (const { inodes } of released) {
      for (const ino of inodes.keys()) {
        this.#inodes.delete(ino);
        const row = this.#state.row(ino);
        if (row !== undefined) ids.push(row.id);
      }
    }
    this.#refused = this.#refused.filter((each) => !released.includes(each));
    return ids;
  }

  #isChanged(ino: Ino, seen: Seen): boolean {
    const uploaded = this.#uploadedSequence(ino);
    if (uploaded !== null && uploaded !== seen.uploadedSequence) return true;
    return this.#appearance(ino) !== seen.appearance;
  }

  #uploadedSequence(ino: Ino): number | null {
    return this.#state.dirty.get(ino)?.uploadedSequence ?? null;
  }

  /** Differs after every change of attributes or names. */
  #appearance(ino: Ino): string {
    const row = this.#state.row(ino);
    if (row === undefined) return '';
    const names = this.#state.dentries.namesOf(ino).map(({ parent, name }) => `${parent}/${name}`);
    return [row.ctimeNs, row.links, ...names].join('\0');
  }
}
