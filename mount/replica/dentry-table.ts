import type { ReplicaDatabase, Statement } from './database.ts';
import { inodeColumns, rowToInode } from './inode-table.ts';
import type { InodeRow, InodeTable } from './inode-table.ts';
import type { Ino, LocalEntry } from './local-inode.ts';

/** A place by inode number: one name in one directory of this replica. */
export interface LocalPlace {
  readonly parent: Ino;
  readonly name: string;
}

/** Which name leads where, as it is visible here. Keeps link counts and parents of the inodes. */
export class DentryTable {
  readonly #db: ReplicaDatabase;
  readonly #inodes: InodeTable;
  readonly #find: Statement;
  readonly #insert: Statement;
  readonly #remove: Statement;
  readonly #list: Statement;
  readonly #names: Statement;
  #nextCookie: number;

  constructor(db: ReplicaDatabase, inodes: InodeTable) {
    this.#db = db;
    this.#inodes = inodes;
    this.#find = db.prepare('select ino from dentries where parent = ? and name = ?');
    this.#insert = db.prepare('insert into dentries (cookie, parent, name, ino) values (?, ?, ?, ?)');
    this.#remove = db.prepare('delete from dentries where parent = ? and name = ?');
    this.#list = db.prepare(
      `select d.cookie, d.name, ${inodeColumns}
       from dentries d join inodes i on i.ino = d.ino
       where d.parent = ? and d.cookie > ? and i.known = 1 order by d.cookie limit ?`,
    );
    this.#names = db.prepare('select parent, name from dentries where ino = ?');
    this.#nextCookie = (db.get('select coalesce(max(cookie), 0) as top from dentries') as { top: number }).top + 1;
  }

  /** What the name leads to, unknown inodes included. */
  lookup(parent: Ino, name: string): InodeRow | undefined {
    const ino = this.find(parent, name);
    return ino === null ? undefined : this.#inodes.get(ino);
  }

  /** The number the name leads to, or `null`. */
  find(parent: Ino, name: string): Ino | null {
    const row = this.#find.get(parent, name) as { ino: Ino } | undefined;
    return row?.ino ?? null;
  }

  list(directory: Ino, afterCookie: number, limit: number): LocalEntry[] {
    return this.#list.all(directory, afterCookie, limit).map((row) => {
      const { cookie, name } = row as { cookie: number; name: string };
      return { cookie, name, inode: rowToInode(row) };
    });
  }

  isEmpty(directory: Ino): boolean {
    return this.#db.get('select 1 from dentries where parent = ? limit 1', directory) === undefined;
  }

  /** All names in a directory. */
  entriesOf(directory: Ino): { readonly name: string; readonly ino: Ino }[] {
    return this.#db.all('select name, ino from dentries where parent = ? order by cookie', directory) as {
      name: string;
      ino: Ino;
    }[];
  }

  /** All places of an inode. */
  namesOf(ino: Ino): LocalPlace[] {
    return this.#names.all(ino) as LocalPlace[];
  }

  /** Lets a free name lead to `row`. */
  attach(parent: Ino, name: string, row: InodeRow): void {
    this.#insert.run(this.#nextCookie++, parent, name, row.ino);
    if (row.known && row.kind === 'directory') this.#inodes.attachDirectory(row.ino, parent);
    else this.#inodes.addLinks(row.ino, 1);
  }

  /** Takes away a name that leads to `row`. */
  detach(parent: Ino, name: string, row: InodeRow): void {
    this.#remove.run(parent, name);
    if (row.known && row.kind === 'directory') this.#inodes.detachDirectory(row.ino, parent);
    else this.#inodes.addLinks(row.ino, -1);
  }
}
