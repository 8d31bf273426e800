import type { ReplicaDatabase } from './database.ts';
import type { Ino } from './local-inode.ts';
import type { ContentMove } from './synced-tree.ts';

/**
 * Contents that belong to another inode since a commit was settled, and whose files may not have been moved yet: kept
 * in the transaction that settles, so that a crash before the files are moved is made good at the next start.
 */
export class ContentMoves {
  readonly #db: ReplicaDatabase;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
  }

  add(from: Ino, to: Ino): ContentMove {
    const row = this.#db.get('insert into content_moves (from_ino, to_ino) values (?, ?) returning id', from, to);
    return { id: (row as { id: number }).id, from, to };
  }

  /** Oldest first. */
  list(): ContentMove[] {
    return this.#db.all(
      'select id, from_ino as "from", to_ino as "to" from content_moves order by id',
    ) as ContentMove[];
  }

  deleteUpTo(id: number): void {
    this.#db.run('delete from content_moves where id <= ?', id);
  }
}
