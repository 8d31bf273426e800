import { DriveError } from '../../protocol/errors.ts';
import { rootInodeOf } from '../../protocol/ids.ts';
import type { InodeId, NamespaceId } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { Place } from '../../protocol/operations.ts';
import type { TreeLoader } from './tree-loader.ts';

/** One inode while a commit is worked out. */
export interface Node {
  readonly inode: InodeId;
  /** Its row as it stands in the database; `null` if it has none now. */
  readonly stored: InodeState | null;
  /** Whether this commit makes it. */
  readonly madeHere: boolean;
  /** What it is to be; for a removed one, what it was last. */
  state: InodeState;
  /** Content this commit gives it. */
  content: Manifest | null;
  /** The names it has now in this commit. */
  readonly places: Map<string, Place>;
  /** The last name it lost in this commit. */
  lost: Place | null;
}

/** What a place leads to, before this commit and in it. */
export interface WorkingPlace {
  readonly place: Place;
  readonly stored: InodeId | null;
  now: InodeId | null;
}

export function placeKey(place: Place): string {
  return `${place.parent}/${place.name}`;
}

/**
 * The tree as a commit would leave it: what the database holds, loaded where it is asked for, with the commit's
 * changes on top. Nothing is written here.
 */
export class WorkingTree {
  readonly root: InodeId;
  readonly #loader: TreeLoader;
  readonly #nodes = new Map<InodeId, Node | null>();
  readonly #places = new Map<string, WorkingPlace>();
  readonly #namesIn = new Map<InodeId, Set<string>>();
  readonly #wholeDirectories = new Set<InodeId>();
  readonly #storedCounts = new Map<InodeId, number>();
  /** What is on its way from one place to another, or to its first. */
  readonly #inFlight = new Set<InodeId>();

  constructor(namespace: NamespaceId, loader: TreeLoader) {
    this.root = rootInodeOf(namespace);
    this.#loader = loader;
  }

  /** Loads in sets what the operations will ask for. */
  async prefetch(inodes: Iterable<InodeId>, places: readonly Place[], movedInto: readonly InodeId[]): Promise<void> {
    await this.#loadPlaces(places);
    const wanted = new Set(inodes);
    for (const place of places) {
      wanted.add(place.parent);
      const occupant = this.#places.get(placeKey(place))?.stored;
      if (occupant) wanted.add(occupant);
    }
    if (movedInto.length > 0) for (const inode of await this.#loader.ancestors(movedInto)) wanted.add(inode);
    await this.#loadNodes([...wanted]);
  }

  /** Counts in one statement the entries of directories that are to be removed. */
  async prefetchCounts(directories: readonly InodeId[]): Promise<void> {
    const missing = directories.filter((directory) => !this.#storedCounts.has(directory));
    if (missing.length === 0) return;
    const counts = await this.#loader.entryCounts(missing);
    for (const directory of missing) this.#storedCounts.set(directory, counts.get(directory) ?? 0);
  }

  /** The inode, removed ones included; `null` if there never was one. */
  async node(inode: InodeId): Promise<Node | null> {
    if (!this.#nodes.has(inode)) await this.#loadNodes([inode]);
    return this.#nodes.get(inode) ?? null;
  }

  async child(place: Place): Promise<InodeId | null> {
    return (await this.#place(place)).now;
  }

  isAlive(node: Node): boolean {
    return node.inode === this.root || node.places.size > 0 || this.#inFlight.has(node.inode);
  }

  /** Adds an inode that this commit makes; it has no name yet. */
  add(state: InodeState, content: Manifest | null): Node {
    const known = this.#nodes.get(state.inode);
    if (known) throw new DriveError('invalidArgument', `the id ${state.inode} is taken: a new inode needs a new id`);
    const node = { inode: state.inode, stored: null, madeHere: true, state, content, places: new Map(), lost: null };
    this.#nodes.set(state.inode, node);
    this.#inFlight.add(state.inode);
    return node;
  }

  /** Forgets an inode that this commit was to make. */
  drop(node: Node): void {
    this.#nodes.set(node.inode, null);
    this.#inFlight.delete(node.inode);
  }

  async detach(node: Node, place: Place, inFlight = false): Promise<void> {
    const entry = await this.#place(place);
    entry.now = null;
    node.places.delete(placeKey(place));
    node.lost = place;
    if (inFlight) this.#inFlight.add(node.inode);
  }

  async attach(node: Node, place: Place): Promise<void> {
    const entry = await this.#place(place);
    entry.now = node.inode;
    node.places.set(placeKey(place), place);
    this.#inFlight.delete(node.inode);
  }

  /** All entries of a directory in this commit. */
  async children(directory: InodeId): Promise<readonly { readonly place: Place; readonly inode: InodeId }[]> {
    if (!this.#wholeDirectories.has(directory)) {
      for (const entry of await this.#loader.entries(directory)) this.#rememberPlace(entry.place, entry.inode);
      this.#wholeDirectories.add(directory);
    }
    const found: { place: Place; inode: InodeId }[] = [];
    for (const key of this.#namesIn.get(directory) ?? []) {
      const entry = this.#places.get(key);
      if (entry?.now) found.push({ place: entry.place, inode: entry.now });
    }
    await this.#loadNodes(found.map((entry) => entry.inode));
    return found;
  }

  /** How many entries a directory has in this commit. */
  async childCount(directory: InodeId): Promise<number> {
    await this.prefetchCounts([directory]);
    let count = this.#storedCounts.get(directory) ?? 0;
    for (const key of this.#namesIn.get(directory) ?? []) {
      const entry = this.#places.get(key);
      if (entry !== undefined) count += (entry.now === null ? 0 : 1) - (entry.stored === null ? 0 : 1);
    }
    return count;
  }

  /** Whether `inode` is `directory` or stands above it. */
  async isAtOrAbove(inode: InodeId, directory: InodeId): Promise<boolean> {
    const seen = new Set<InodeId>();
    for (let at: InodeId | undefined = directory; at !== undefined && !seen.has(at);) {
      if (at === inode) return true;
      seen.add(at);
      const node: Node | null = await this.node(at);
      at = node === null ? undefined : firstPlace(node)?.parent;
    }
    return false;
  }

  /** Where a removed inode last stood, if history still knows. */
  async lastPlace(node: Node): Promise<Place | null> {
    return node.lost ?? (await this.#loader.lastPlace(node.inode));
  }

  *changedPlaces(): Iterable<WorkingPlace> {
    for (const place of this.#places.values()) if (place.stored !== place.now) yield place;
  }

  *loadedNodes(): Iterable<Node> {
    for (const node of this.#nodes.values()) if (node !== null) yield node;
  }

  async #place(place: Place): Promise<WorkingPlace> {
    const key = placeKey(place);
    if (!this.#places.has(key)) await this.#loadPlaces([place]);
    const entry = this.#places.get(key);
    if (entry === undefined) throw new DriveError('internal', 'a place was not loaded');
    return entry;
  }

  async #loadPlaces(places: readonly Place[]): Promise<void> {
    const missing = places.filter((place) => !this.#places.has(placeKey(place)));
    if (missing.length === 0) return;
    // Nothing stands yet in a directory that this commit makes.
    const asked = missing.filter((place) => this.#nodes.get(place.parent)?.madeHere !== true);
    const found = asked.length === 0 ? new Map<string, InodeId>() : await this.#loader.occupants(asked);
    for (const place of missing) this.#rememberPlace(place, found.get(placeKey(place)) ?? null);
  }

  #rememberPlace(place: Place, stored: InodeId | null): void {
    const key = placeKey(place);
    if (this.#places.has(key)) return;
    this.#places.set(key, { place: { parent: place.parent, name: place.name }, stored, now: stored });
    const names = this.#namesIn.get(place.parent);
    if (names === undefined) this.#namesIn.set(place.parent, new Set([key]));
    else names.add(key);
  }

  async #loadNodes(inodes: readonly InodeId[]): Promise<void> {
    const missing = inodes.filter((inode) => !this.#nodes.has(inode));
    if (missing.length === 0) return;
    for (const inode of missing) this.#nodes.set(inode, null);
    for (const { state, alive } of await this.#loader.inodes(missing)) {
      const stored = alive ? state : null;
      const blank = { madeHere: false, content: null, lost: null };
      this.#nodes.set(state.inode, { inode: state.inode, stored, state, places: new Map(), ...blank });
    }
    const known = missing.filter((inode) => this.#nodes.get(inode)?.stored);
    for (const { inode, place } of known.length === 0 ? [] : await this.#loader.names(known)) {
      this.#nodes.get(inode)?.places.set(placeKey(place), place);
      this.#rememberPlace(place, inode);
    }
  }
}

/** The first of an inode's names by parent and name, so that the choice does not hang on the order of rows. */
export function firstPlace(node: Node): Place | undefined {
  if (node.places.size <= 1) return node.places.values().next().value;
  const key = [...node.places.keys()].sort()[0];
  return key === undefined ? undefined : node.places.get(key);
}
