import type { Clock, Randomness } from '../../protocol/environment.ts';
import { rootInodeOf, versionZero } from '../../protocol/ids.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import type { ReplicaDatabase } from './database.ts';
import { ContentMoves } from './content-moves.ts';
import { DentryTable } from './dentry-table.ts';
import type { LocalPlace } from './dentry-table.ts';
import { attributeBits, DirtyInodes } from './dirty-inodes.ts';
import { DirtyPlaces } from './dirty-places.ts';
import { InodeTable } from './inode-table.ts';
import type { InodeRow } from './inode-table.ts';
import { rootIno } from './local-inode.ts';
import type { Ino } from './local-inode.ts';
import { ManifestTable } from './manifest-table.ts';
import { RemoteHeads } from './remote-heads.ts';
import { ReplicaSettings } from './settings.ts';
import { XattrTable } from './xattr-table.ts';

/** What of the world the replica is told. */
export interface ReplicaEnvironment {
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/**
 * The tables of one replica and the few steps that all changes of it share, local and remote ones: changing
 * where a place leads while remembering what was agreed, and letting go of inodes that nothing needs any more.
 */
export class ReplicaState {
  readonly db: ReplicaDatabase;
  readonly environment: ReplicaEnvironment;
  readonly inodes: InodeTable;
  readonly dentries: DentryTable;
  readonly xattrs: XattrTable;
  readonly manifests: ManifestTable;
  readonly remoteHeads: RemoteHeads;
  readonly places: DirtyPlaces;
  readonly dirty: DirtyInodes;
  readonly moves: ContentMoves;
  readonly settings: ReplicaSettings;
  /** Inodes kept alive by open files. */
  readonly holds = new Map<Ino, number>();
  #deferred: Set<Ino> | undefined;

  constructor(db: ReplicaDatabase, namespace: NamespaceId, environment: ReplicaEnvironment) {
    this.db = db;
    this.environment = environment;
    this.inodes = new InodeTable(db);
    this.dentries = new DentryTable(db, this.inodes);
    this.xattrs = new XattrTable(db);
    this.manifests = new ManifestTable(db);
    this.remoteHeads = new RemoteHeads(db);
    this.places = new DirtyPlaces(db);
    this.dirty = new DirtyInodes(db);
    this.moves = new ContentMoves(db);
    this.settings = new ReplicaSettings(db);
    if (this.inodes.get(rootIno) === undefined) this.#makeRoot(namespace);
    this.#collectNameless();
  }

  /** To be called before a place changes: what it leads to now is what the user had seen. */
  touchPlace(place: LocalPlace): void {
    const current = this.dentries.lookup(place.parent, place.name);
    const dirty = this.places.get(place);
    if (dirty === undefined) {
      this.places.add(place, current?.ino ?? null, current?.version ?? versionZero, current?.ino ?? null);
    } else if (current !== undefined && dirty.base === current.ino && !current.contentDirty) {
      this.places.setBase(place, current.ino, current.version);
    }
  }

  /** To be called after a dirty place changed: if it agrees with the server, it is not dirty any more. */
  placeChanged(place: LocalPlace): void {
    const dirty = this.places.get(place);
    if (dirty === undefined || dirty.isPlanned) return;
    if (this.dentries.find(place.parent, place.name) === dirty.remote) this.forgetPlace(place);
  }

  /** The place is not dirty any more. */
  forgetPlace(place: LocalPlace): void {
    const dirty = this.places.get(place);
    if (dirty === undefined) return;
    this.places.delete(place);
    const needed = new Set([dirty.base, dirty.remote, dirty.planned, dirty.parent]);
    for (const ino of needed) if (ino !== null) this.collect(ino);
  }

  /** Makes a place lead to `ino` or nowhere, as visible here, whatever it led to before. */
  setVisible(place: LocalPlace, ino: Ino | null): void {
    const current = this.dentries.lookup(place.parent, place.name);
    if ((current?.ino ?? null) === ino) return;
    if (current !== undefined) this.dentries.detach(place.parent, place.name, current);
    const next = ino === null ? undefined : this.inodes.get(ino);
    if (next !== undefined) this.dentries.attach(place.parent, place.name, next);
    if (current !== undefined) this.collect(current.ino);
  }

  /** Runs `body` and lets go of inodes only after it, so that one on its way between two places is not lost. */
  keepingInodes<Result>(body: () => Result): Result {
    if (this.#deferred !== undefined) return body();
    const deferred = new Set<Ino>();
    this.#deferred = deferred;
    try {
      return body();
    } finally {
      this.#deferred = undefined;
      for (const ino of deferred) this.collect(ino);
    }
  }

  /**
   * What is dirty of the content goes with the last name, as its content file does: what a refused removal brings back
   * is the server's content.
   */
  dropContent(row: InodeRow): void {
    if (!row.contentDirty) return;
    this.inodes.revertContent(row);
    this.dirty.contentClean(row.ino);
    // Should the file come back, its content file may still have what was dirty: it is told then, with what is the server's.
    const base = this.inodes.get(row.ino);
    if (base !== undefined && this.remoteHeads.get(row.ino) === undefined) {
      this.remoteHeads.set(row.ino, { version: base.version, size: base.size, manifest: null });
    }
    // The times of the change stay; should the file come back, they are sent.
    this.dirty.addAttributes(row.ino, attributeBits.mtimeNs | attributeBits.ctimeNs);
  }

  /** What was dirty of the content is gone: it is that of the newest version that the server told of. */
  revertContent(row: InodeRow): void {
    const head = this.remoteHeads.get(row.ino);
    if (head === undefined) {
      this.inodes.revertContent(row);
    } else {
      this.inodes.setClean(row, head.size, head.version);
      this.manifests.set(row, head.version, head.manifest);
      this.remoteHeads.delete(row.ino);
    }
    this.dirty.contentClean(row.ino);
  }

  /** Lets go of an inode without names, unless something still needs it. */
  collect(ino: Ino): void {
    if (this.#deferred !== undefined) {
      this.#deferred.add(ino);
      return;
    }
    const row = this.inodes.get(ino);
    if (row === undefined || row.links > 0 || ino === rootIno || this.holds.has(ino)) return;
    // What came of its loss is decided once the whole commit is here.
    if (this.db.get('select 1 from remote_losses where ino = ?', ino) !== undefined) return;
    // Something of ours stands where the server has it: it will be shown once that is settled.
    if (this.places.withRemote(ino).some((place) => place.base !== ino)) return;
    this.dropContent(row);
    if (this.places.mentions(ino) || this.dirty.get(ino)?.isPlanned === true) return;
    // A removal inside of it that is not told yet needs the directory to be named.
    if (row.kind === 'directory' && (!this.dentries.isEmpty(ino) || this.places.lieIn(ino))) return;
    this.dirty.delete(ino);
    this.remoteHeads.delete(ino);
    this.inodes.delete(row);
  }

  /** Whether `ino` is `ancestor` or lies below it, as visible here. */
  isWithin(ino: Ino, ancestor: Ino): boolean {
    const seen = new Set<Ino>();
    for (let at = ino; !seen.has(at);) {
      if (at === ancestor) return true;
      if (at === rootIno) return false;
      seen.add(at);
      const row = this.inodes.get(at);
      if (row === undefined || row.parent === 0) return false;
      at = row.parent;
    }
    return false;
  }

  row(ino: Ino): InodeRow | undefined {
    return this.inodes.get(ino);
  }

  #makeRoot(namespace: NamespaceId): void {
    this.db.change(() => {
      const nowNs = this.environment.clock.nowNs();
      this.inodes.insert({
        ...{ ino: rootIno, id: rootInodeOf(namespace), known: true, kind: 'directory', mode: 0o755, uid: null },
        ...{ gid: null, rdev: 0, size: 0, atimeNs: nowNs, mtimeNs: nowNs, ctimeNs: nowNs, target: null },
        version: versionZero,
      });
      this.inodes.attachRoot(rootIno);
    });
    this.db.commit();
  }

  /** Holds do not survive a restart: what only they kept goes. */
  #collectNameless(): void {
    const rows = this.db.all('select ino from inodes where links = 0 and ino <> ?', rootIno) as { ino: Ino }[];
    if (rows.length === 0) return;
    this.db.change(() => {
      for (const { ino } of rows) this.collect(ino);
    });
  }
}
