import type { ReplicaDatabase } from './database.ts';
import type { Ino } from './local-inode.ts';

/** The extended attributes as they are visible here. */
export class XattrTable {
  readonly #db: ReplicaDatabase;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
  }

  get(ino: Ino, name: string): Uint8Array | undefined {
    const row = this.#db.get('select value from xattrs where ino = ? and name = ?', ino, name) as
      { value: Uint8Array } | undefined;
    return row?.value;
  }

  names(ino: Ino): string[] {
    const rows = this.#db.all('select name from xattrs where ino = ? order by name', ino) as { name: string }[];
    return rows.map((row) => row.name);
  }

  all(ino: Ino): Map<string, Uint8Array> {
    const rows = this.#db.all('select name, value from xattrs where ino = ? order by name', ino) as {
      name: string;
      value: Uint8Array;
    }[];
    return new Map(rows.map((row) => [row.name, row.value]));
  }

  set(ino: Ino, name: string, value: Uint8Array): void {
    this.#db.run(
      `insert into xattrs (ino, name, value) values (?, ?, ?)
       on conflict (ino, name) do update set value = excluded.value`,
      ...[ino, name, value],
    );
  }

  remove(ino: Ino, name: string): void {
    this.#db.run('delete from xattrs where ino = ? and name = ?', ino, name);
  }
}
