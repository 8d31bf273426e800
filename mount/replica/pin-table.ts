import type { ReplicaDatabase } from './database.ts';
import type { Ino } from './local-inode.ts';

/**
 * Which files and folders the user wants to have here always. A pinned folder pins all that is in it, at any depth and
 * whenever it comes there. Pins belong to this mount; they go with their inode.
 */
export class PinTable {
  readonly #db: ReplicaDatabase;
  #count: number;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
    this.#count = this.roots().length;
  }

  /** Whether nothing is pinned, which costs nothing to know. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** What was pinned itself. */
  roots(): Ino[] {
    return this.#db.all('select ino from pins order by ino').map((row) => (row as { ino: Ino }).ino);
  }

  add(ino: Ino): void {
    this.#db.change(() => this.#db.run('insert or ignore into pins (ino) values (?)', ino));
    this.#count = this.roots().length;
  }

  /** Returns whether `ino` itself was pinned. */
  remove(ino: Ino): boolean {
    const was = this.#db.get('select 1 from pins where ino = ?', ino) !== undefined;
    this.#db.change(() => this.#db.run('delete from pins where ino = ?', ino));
    this.#count = this.roots().length;
    return was;
  }

  /** What pins `ino`: itself, or a folder above one of its names; `undefined` if nothing does. */
  rootOf(ino: Ino): Ino | undefined {
    if (this.isEmpty) return undefined;
    const row = this.#db.get(
      `with recursive above (ino) as (
         select ? union select dentries.parent from dentries join above on dentries.ino = above.ino)
       select pins.ino from pins join above on pins.ino = above.ino limit 1`,
      ino,
    ) as { ino: Ino } | undefined;
    return row?.ino;
  }
}
