import fc from 'fast-check';
import { versionZero } from '../../../protocol/ids.ts';
import type { InodeId, Version } from '../../../protocol/ids.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import type { Operation, Place } from '../../../protocol/operations.ts';
import { attributes, content, file, folder, move, unlink } from './drive.ts';
import type { Standing, TreeView } from './tree-view.ts';

/** A wish, in numbers that pick from whatever tree it meets. */
export interface Wish {
  readonly type: 'file' | 'folder' | 'unlink' | 'move' | 'content' | 'attributes' | 'link';
  readonly which: number;
  readonly where: number;
  readonly name: number;
}

export const wish: fc.Arbitrary<Wish> = fc.record({
  type: fc.constantFrom('file', 'folder', 'unlink', 'move', 'content', 'attributes', 'link'),
  which: fc.nat(1_000),
  where: fc.nat(1_000),
  name: fc.nat(4),
});

const names = ['a', 'b.txt', 'ç', '𐐷', '\uffff'];

/**
 * Turns wishes into one commit as a client with `view` would make it, and `view` into what that client expects to
 * see afterwards, the versions apart. No inode or place is touched twice.
 */
export class RandomCommit {
  readonly operations: Operation[] = [];
  readonly view: TreeView;
  readonly #base: TreeView;
  readonly #content: Manifest;
  readonly #touched = new Set<string>();

  constructor(view: TreeView, content: Manifest) {
    this.#base = view.copy();
    this.view = view;
    this.#content = content;
  }

  add(wish: Wish): void {
    const chosen = this.#pick([...this.#base.places.values()], wish.which);
    const place = this.#freePlace(wish);
    if (wish.type === 'file' || wish.type === 'folder') return this.#create(wish, place);
    if (chosen === undefined || this.#isTouched(chosen)) return;
    const kind = this.#base.inodes.get(chosen.inode)?.kind;
    const version = this.#base.inodes.get(chosen.inode)?.version ?? versionZero;
    if (wish.type === 'unlink') return this.#unlink(chosen, kind === 'file' ? version : versionZero);
    if (wish.type === 'attributes') this.#attributes(chosen.inode, wish.which);
    else if (wish.type === 'move' && place !== undefined) this.#move(chosen, place);
    else if (wish.type === 'content' && kind === 'file') this.#setContent(chosen.inode, version);
    else if (wish.type === 'link' && kind === 'file' && place !== undefined) {
      this.operations.push({ type: 'link', inode: chosen.inode, ...place });
      this.#touch(chosen, place);
      this.view.put(place, chosen.inode);
    }
  }

  #create(wish: Wish, place: Place | undefined): void {
    if (place === undefined) return;
    const operation =
      wish.type === 'file' ? file(place.parent, place.name, this.#content) : folder(place.parent, place.name);
    this.operations.push(operation);
    const { inode, kind, mode } = operation;
    const size = kind === 'file' ? sizeOf(this.#content) : 0;
    this.view.inodes.set(inode, { inode, kind, mode, size, version: kind === 'file' ? expected : versionZero });
    this.view.put(place, inode);
    this.#touch({ place, inode });
  }

  #unlink(chosen: Standing, base: Version): void {
    const below = this.view.below(chosen.inode);
    if (below.some((standing) => this.#isTouched(standing))) return;
    this.operations.push(unlink(chosen.place.parent, chosen.place.name, chosen.inode, base, below.length > 0));
    for (const standing of [chosen, ...below]) {
      this.#touch(standing);
      this.view.places.delete(`${standing.place.parent}/${standing.place.name}`);
    }
    const named = new Set([...this.view.places.values()].map((standing) => standing.inode));
    for (const { inode } of [chosen, ...below]) if (!named.has(inode)) this.view.inodes.delete(inode);
  }

  #move(chosen: Standing, place: Place): void {
    const inside = [chosen, ...this.view.below(chosen.inode)].some(({ inode }) => inode === place.parent);
    if (inside) return;
    const { parent, name } = chosen.place;
    this.operations.push(move(chosen.inode, [parent, name], [place.parent, place.name]));
    this.#touch(chosen, place);
    this.view.places.delete(`${parent}/${name}`);
    this.view.put(place, chosen.inode);
  }

  #setContent(inode: InodeId, version: Version): void {
    this.operations.push(content(inode, version, this.#content));
    const state = this.view.inodes.get(inode);
    if (state !== undefined) {
      this.view.inodes.set(inode, { ...state, version: expected, size: sizeOf(this.#content) });
    }
    this.#touched.add(inode);
  }

  #attributes(inode: InodeId, mode: number): void {
    this.operations.push(attributes(inode, { mode }));
    const state = this.view.inodes.get(inode);
    if (state !== undefined) this.view.inodes.set(inode, { ...state, mode });
    this.#touched.add(inode);
  }

  #freePlace(wish: Wish): Place | undefined {
    const folders = [...this.view.inodes.values()].filter(({ kind }) => kind === 'directory');
    const parent = this.#pick(folders, wish.where);
    if (parent === undefined) return undefined;
    const place = { parent: parent.inode, name: names[wish.name] ?? 'a' };
    const taken = this.view.at(place) !== undefined || this.#touched.has(`${place.parent}/${place.name}`);
    return taken ? undefined : place;
  }

  #pick<Item>(items: readonly Item[], number: number): Item | undefined {
    return items[number % Math.max(1, items.length)];
  }

  #isTouched({ place, inode }: Standing): boolean {
    return this.#touched.has(inode) || this.#touched.has(`${place.parent}/${place.name}`);
  }

  #touch({ place, inode }: Standing, other: Place = place): void {
    this.#touched.add(inode).add(`${place.parent}/${place.name}`).add(`${other.parent}/${other.name}`);
    // What is put into a folder needs it to stay.
    this.#touched.add(other.parent);
  }
}

/** Stands for the version that the commit will give. */
export const expected = -1 as Version;

function sizeOf(manifest: Manifest): number {
  return manifest.entries.reduce((sum, entry) => sum + entry.length, 0);
}
