import { deserialize, serialize } from 'node:v8';
import type { Operation } from '../../protocol/operations.ts';
import type { ReplicaDatabase } from './database.ts';
import type { LocalPlace } from './dentry-table.ts';
import type { Ino } from './local-inode.ts';
import type { PlannedCommit } from './synced-tree.ts';

/** What one operation of a plan means here. */
export interface OperationMark {
  readonly ino: Ino;
  /** The place it gives (`create`, `link`, `move`) or takes away (`unlink`). */
  readonly place: LocalPlace | null;
  /** The place a `move` takes away. */
  readonly from: LocalPlace | null;
  /** The content it carries. */
  readonly sequence: number | null;
}

export interface MarkedOperation {
  readonly operation: Operation;
  readonly mark: OperationMark;
}

/** The marks of a plan, in the order of its operations. */
export function marksOf(plan: PlannedCommit): readonly OperationMark[] {
  return plan.marks as readonly OperationMark[];
}

/** Keeps the plan under way across a restart. */
export class PlanStore {
  readonly #db: ReplicaDatabase;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
  }

  get(): PlannedCommit | undefined {
    const row = this.#db.get('select body from plan where id = 1') as { body: Uint8Array } | undefined;
    return row === undefined ? undefined : (deserialize(row.body) as PlannedCommit);
  }

  set(plan: PlannedCommit): void {
    this.#db.run(
      'insert into plan (id, body) values (1, ?) on conflict (id) do update set body = excluded.body',
      serialize(plan),
    );
  }

  clear(): void {
    this.#db.run('delete from plan');
  }
}
