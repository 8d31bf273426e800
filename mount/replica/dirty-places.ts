import type { Version } from '../../protocol/ids.ts';
import type { ReplicaDatabase, Statement } from './database.ts';
import type { LocalPlace } from './dentry-table.ts';
import type { Ino } from './local-inode.ts';

/** A place where what is visible here and what the server has may differ. */
export interface DirtyPlace extends LocalPlace {
  /** Orders places by when they became dirty. */
  readonly seq: number;
  /** Where the place led, as far as the user had seen the server, when it became dirty. */
  readonly base: Ino | null;
  /** The version of the file there that the user had seen. */
  readonly baseVersion: Version;
  /** Where the place leads on the server, as far as known here. */
  readonly remote: Ino | null;
  /** Whether a plan under way names this place, and what it leads to in the plan. */
  readonly isPlanned: boolean;
  readonly planned: Ino | null;
}

const columns = `seq, parent, name, base, base_version as baseVersion, remote, is_planned as isPlanned, planned`;

interface StoredPlace extends Omit<DirtyPlace, 'isPlanned'> {
  readonly isPlanned: number;
}

function toPlace(value: unknown): DirtyPlace {
  const row = value as StoredPlace;
  return { ...row, isPlanned: row.isPlanned === 1 };
}

/** The places that are dirty. */
export class DirtyPlaces {
  readonly #db: ReplicaDatabase;
  readonly #get: Statement;
  readonly #insert: Statement;
  readonly #delete: Statement;
  #nextSeq: number;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
    this.#get = db.prepare(`select ${columns} from dirty_places where parent = ? and name = ?`);
    this.#insert = db.prepare(
      `insert into dirty_places (seq, parent, name, base, base_version, remote, is_planned, planned)
       values (?, ?, ?, ?, ?, ?, 0, null)`,
    );
    this.#delete = db.prepare('delete from dirty_places where parent = ? and name = ?');
    this.#nextSeq = (db.get('select coalesce(max(seq), 0) as top from dirty_places') as { top: number }).top + 1;
  }

  get(place: LocalPlace): DirtyPlace | undefined {
    const row = this.#get.get(place.parent, place.name);
    return row === undefined ? undefined : toPlace(row);
  }

  /** Marks a clean place dirty, on top of what it leads to on the server. */
  add(place: LocalPlace, base: Ino | null, baseVersion: Version, remote: Ino | null): void {
    this.#insert.run(this.#nextSeq++, place.parent, place.name, base, baseVersion, remote);
  }

  setRemote(place: LocalPlace, remote: Ino | null): void {
    this.#db.run('update dirty_places set remote = ? where parent = ? and name = ?', remote, place.parent, place.name);
  }

  setBase(place: LocalPlace, base: Ino | null, baseVersion: Version): void {
    this.#db.run(
      'update dirty_places set base = ?, base_version = ? where parent = ? and name = ?',
      ...[base, baseVersion, place.parent, place.name],
    );
  }

  setPlanned(place: LocalPlace, planned: Ino | null): void {
    this.#db.run(
      'update dirty_places set is_planned = 1, planned = ? where parent = ? and name = ?',
      ...[planned, place.parent, place.name],
    );
  }

  clearPlanned(place: LocalPlace): void {
    this.#db.run(
      'update dirty_places set is_planned = 0, planned = null where parent = ? and name = ?',
      ...[place.parent, place.name],
    );
  }

  delete(place: LocalPlace): void {
    this.#delete.run(place.parent, place.name);
  }

  /** Gives a dirty place another directory. */
  rekey(place: LocalPlace, parent: Ino): void {
    this.#db.run(
      'update dirty_places set parent = ? where parent = ? and name = ?',
      ...[parent, place.parent, place.name],
    );
  }

  /** Up to `limit` places that became dirty after `afterSeq`, oldest first. */
  page(afterSeq: number, limit: number): DirtyPlace[] {
    return this.#db
      .all(`select ${columns} from dirty_places where seq > ? order by seq limit ?`, afterSeq, limit)
      .map(toPlace);
  }

  /** Places that lead elsewhere on the server than what the user had seen there. */
  overtaken(): DirtyPlace[] {
    return this.#db
      .all(`select ${columns} from dirty_places where remote is not null and remote is not base order by seq`)
      .map(toPlace);
  }

  planned(): DirtyPlace[] {
    return this.#db.all(`select ${columns} from dirty_places where is_planned = 1 order by seq`).map(toPlace);
  }

  inDirectory(parent: Ino): DirtyPlace[] {
    return this.#db.all(`select ${columns} from dirty_places where parent = ? order by seq`, parent).map(toPlace);
  }

  withBase(ino: Ino): DirtyPlace[] {
    return this.#db.all(`select ${columns} from dirty_places where base = ? order by seq`, ino).map(toPlace);
  }

  withRemote(ino: Ino): DirtyPlace[] {
    return this.#db.all(`select ${columns} from dirty_places where remote = ? order by seq`, ino).map(toPlace);
  }

  /** Whether any dirty place still speaks of the inode. */
  mentions(ino: Ino): boolean {
    return (
      this.#db.get(
        `select 1 where exists (select 1 from dirty_places where base = ?)
         or exists (select 1 from dirty_places where remote = ?)
         or exists (select 1 from dirty_places where planned = ?)`,
        ...[ino, ino, ino],
      ) !== undefined
    );
  }

  /** Whether any place in the directory is dirty. */
  lieIn(directory: Ino): boolean {
    return this.#db.get('select 1 from dirty_places where parent = ? limit 1', directory) !== undefined;
  }

  count(): number {
    return (this.#db.get('select count(*) as count from dirty_places') as { count: number }).count;
  }
}
