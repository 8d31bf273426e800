import { DriveError, isDriveError } from '../../protocol/errors.ts';
import { rootInodeOf } from '../../protocol/ids.ts';
import type { InodeId } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import type { DirectoryEntry, Metadata, NamespaceInfo } from '../../protocol/metadata.ts';
import type { Place } from '../../protocol/operations.ts';
import { followLink } from './symlink.ts';

/** What stands at a path. */
export interface Location {
  readonly path: readonly string[];
  /** Where the last name is kept; `null` for a namespace's root. */
  readonly place: Place | null;
  /** What the name itself leads to, which may be a symlink or hidden; `null` if the name is free. */
  readonly entry: InodeState | null;
  /** The file or directory that clients see there; `null` if there is none. */
  readonly shown: InodeState | null;
}

/** A name in a directory and what it shows: to clients always a file or a directory. */
export interface ShownEntry {
  readonly name: string;
  readonly shown: InodeState;
}

/**
 * One namespace as WebDAV shows it, which knows files and collections only:
 *
 * - A symlink shows the file or directory it leads to, so that a copy through WebDAV is the same as one that follows
 *   links (`cp -L`, `rclone -L`). Reading, writing content and setting properties go to what it leads to; deleting and
 *   moving take the link itself.
 * - Hidden are symlinks that lead nowhere or out of the namespace (absolute ones too: only a mount knows where they
 *   lead), those that lead back to a directory that the path has passed already (so every walk ends), and what
 *   is neither file, directory nor symlink. A hidden name is still taken.
 */
export class TreeView {
  readonly metadata: Metadata;
  readonly namespace: NamespaceInfo;

  constructor(metadata: Metadata, namespace: NamespaceInfo) {
    this.metadata = metadata;
    this.namespace = namespace;
  }

  /** What stands at `path`; `null` if the directory that would hold it does not exist or is none. */
  async locate(path: readonly string[]): Promise<Location | null> {
    const name = path.at(-1);
    if (name === undefined) return this.#root();
    const directory = await this.#directory(path.slice(0, -1));
    if (directory === null) return null;
    const place = { parent: directory.inode, name };
    const entry = await this.#lookup(place);
    if (entry?.kind !== 'symlink') return { path, place, entry, shown: seen(entry) };
    const shown = (await this.#walk(path))?.at(-1) ?? null;
    return { path, place, entry, shown };
  }

  /** As `locate`, but throws `notFound` unless clients see something there. */
  async require(path: readonly string[]): Promise<Location & { readonly shown: InodeState }> {
    const location = await this.locate(path);
    if (location === null || location.shown === null) {
      throw new DriveError('notFound', `there is no "/${path.join('/')}" in "${this.namespace.name}"`);
    }
    return { ...location, shown: location.shown };
  }

  /** What clients see in the directory at `path`, whose inode is `directory`, a page at a time. */
  async *list(path: readonly string[], directory: InodeId, pageLimit: number): AsyncGenerator<ShownEntry[]> {
    for await (const entries of this.#pages(directory, pageLimit)) yield await this.#shownEntries(path, entries);
  }

  /** Every name in a directory with its own inode, symlinks and special files as they are. */
  async *listExact(directory: InodeId, pageLimit: number): AsyncGenerator<ShownEntry[]> {
    for await (const entries of this.#pages(directory, pageLimit)) {
      yield entries.map(({ name, state }) => ({ name, shown: state }));
    }
  }

  async *#pages(directory: InodeId, limit: number): AsyncGenerator<readonly DirectoryEntry[]> {
    let after: string | undefined;
    for (;;) {
      const page = { limit, ...(after === undefined ? {} : { after }) };
      const { entries, next } = await this.metadata.list(this.namespace.id, directory, page);
      yield entries;
      if (next === null) return;
      after = next;
    }
  }

  async #shownEntries(path: readonly string[], entries: readonly DirectoryEntry[]): Promise<ShownEntry[]> {
    const out: ShownEntry[] = [];
    for (const { name, state } of entries) {
      const shown = state.kind === 'symlink' ? ((await this.#walk([...path, name]))?.at(-1) ?? null) : seen(state);
      if (shown !== null) out.push({ name, shown });
    }
    return out;
  }

  async #root(): Promise<Location> {
    const state = await this.metadata.inode(this.namespace.id, rootInodeOf(this.namespace.id));
    return { path: [], place: null, entry: state, shown: state };
  }

  /** The directory at `path`: by one query where no symlink is on the way. */
  async #directory(path: readonly string[]): Promise<InodeState | null> {
    let state: InodeState | null;
    try {
      state = await this.metadata.resolve(this.namespace.id, path);
      if (state.kind === 'symlink') state = (await this.#walk(path))?.at(-1) ?? null;
    } catch (error) {
      if (isDriveError(error, 'notFound')) return null;
      if (!isDriveError(error, 'notDirectory')) throw error;
      state = (await this.#walk(path))?.at(-1) ?? null;
    }
    return state?.kind === 'directory' ? state : null;
  }

  async #lookup(place: Place): Promise<InodeState | null> {
    try {
      return await this.metadata.lookup(this.namespace.id, place);
    } catch (error) {
      if (isDriveError(error, 'notFound') || isDriveError(error, 'notDirectory')) return null;
      throw error;
    }
  }

  /** What clients see at each prefix of `path`, from the root on; `null` if the path leads to nothing they see. */
  async #walk(path: readonly string[]): Promise<InodeState[] | null> {
    const root = await this.metadata.inode(this.namespace.id, rootInodeOf(this.namespace.id));
    const passed = [root];
    /** The real directories above the present one, which is last: ".." in a link leads along these. */
    let real = [root];
    for (const [index, name] of path.entries()) {
      const parent = real.at(-1);
      if (parent === undefined) return null;
      const entry = await this.#lookup({ parent: parent.inode, name });
      const step = entry === null ? null : await followLink((place) => this.#lookup(place), real, entry);
      if (step === null || passed.some(({ inode }) => inode === step.state.inode)) return null;
      if (step.state.kind !== 'directory' && index < path.length - 1) return null;
      passed.push(step.state);
      real = [...step.directories];
    }
    return passed;
  }
}

function seen(state: InodeState | null): InodeState | null {
  return state !== null && (state.kind === 'file' || state.kind === 'directory') ? state : null;
}
