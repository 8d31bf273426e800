import type { LocalPlace } from './dentry-table.ts';
import type { Invalidation } from './invalidation.ts';
import type { Ino } from './local-inode.ts';

/** Collects what became stale, each thing once; changed content includes changed attributes. */
export class InvalidationSet {
  readonly #entries = new Map<string, Invalidation>();
  readonly #inodes = new Map<Ino, Invalidation>();

  entry(place: LocalPlace): void {
    this.#entries.set(`${place.parent}/${place.name}`, { type: 'entry', parent: place.parent, name: place.name });
  }

  attributes(ino: Ino): void {
    if (!this.#inodes.has(ino)) this.#inodes.set(ino, { type: 'attributes', ino });
  }

  content(ino: Ino): void {
    this.#inodes.set(ino, { type: 'content', ino });
  }

  list(): readonly Invalidation[] {
    return [...this.#entries.values(), ...this.#inodes.values()];
  }
}
