import type { ReplicaDatabase } from './database.ts';

/** Small facts kept with the replica: the cursor, the boot it last ran in, whether it was closed cleanly. */
export class ReplicaSettings {
  readonly #db: ReplicaDatabase;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
  }

  get(key: string): string | undefined {
    const row = this.#db.get('select value from settings where key = ?', key) as { value: string } | undefined;
    return row?.value;
  }

  /** Sets, or with `undefined` removes, a setting. It is on the disk after the next `durable`. */
  set(key: string, value: string | undefined): void {
    this.#db.change(() => {
      if (value === undefined) {
        this.#db.run('delete from settings where key = ?', key);
        return;
      }
      this.#db.run(
        `insert into settings (key, value) values (?, ?) on conflict (key) do update set value = excluded.value`,
        ...[key, value],
      );
    });
  }
}
