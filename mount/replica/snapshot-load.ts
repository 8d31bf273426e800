import type { Change } from '../../protocol/changes.ts';
import type { LocalPlace } from './dentry-table.ts';
import type { ReplicaState } from './replica-state.ts';

const setting = 'loadingSnapshot';

/**
 * Loading the whole tree over what the replica has already (an earlier load that was cut off, or a history that does
 * not reach back to the replica's cursor): what the snapshot does not speak of is gone on the server.
 */
export class SnapshotLoad {
  readonly #state: ReplicaState;
  #isLoading: boolean;

  constructor(state: ReplicaState) {
    this.#state = state;
    this.#isLoading = state.settings.get(setting) !== undefined;
  }

  get isLoading(): boolean {
    return this.#isLoading;
  }

  start(): void {
    this.#state.db.run('delete from snapshot_places');
    this.#isLoading = true;
    this.#state.settings.set(setting, 'yes');
  }

  saw(change: Change): void {
    if (!this.#isLoading || change.type !== 'dentry') return;
    const parent = this.#state.inodes.byId(change.parent);
    if (parent === undefined) return;
    this.#state.db.run(
      'insert into snapshot_places (parent, name) values (?, ?) on conflict (parent, name) do nothing',
      ...[parent.ino, change.name],
    );
  }

  /** The changes that take away what the snapshot does not have. */
  finish(): readonly Change[] {
    if (!this.#isLoading) return [];
    const { db } = this.#state;
    const lost = db.all(
      `select d.parent, d.name from dentries d
       where not exists (select 1 from snapshot_places s where s.parent = d.parent and s.name = d.name)
       and not exists (select 1 from dirty_places p where p.parent = d.parent and p.name = d.name)
       union all
       select p.parent, p.name from dirty_places p where p.remote is not null
       and not exists (select 1 from snapshot_places s where s.parent = p.parent and s.name = p.name)`,
    ) as LocalPlace[];
    const changes = lost.flatMap(({ parent, name }): Change[] => {
      const row = this.#state.row(parent);
      return row === undefined ? [] : [{ type: 'dentry', parent: row.id, name, inode: null }];
    });
    db.run('delete from snapshot_places');
    this.#isLoading = false;
    this.#state.settings.set(setting, undefined);
    return changes;
  }
}
