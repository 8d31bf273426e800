import type { Change } from '../../protocol/changes.ts';
import { versionZero } from '../../protocol/ids.ts';
import type { Version } from '../../protocol/ids.ts';
import { encodeManifest } from '../../protocol/manifest.ts';
import type { InodeRow } from './inode-table.ts';
import type { Ino } from './local-inode.ts';
import type { ReplicaState } from './replica-state.ts';

/**
 * A base is trusted again once it is another: the dirty content was committed or replaced. Where it is dropped, what the version is made
 * of is asked for again.
 */
const schema = [
  `create table if not exists doubted_bases (ino integer primary key)`,
  `create trigger if not exists doubted_bases_replaced after update of version on inodes begin
    delete from doubted_bases where ino = new.ino;
  end`,
  `create trigger if not exists doubted_bases_dropped after update of content_dirty on inodes when new.content_dirty = 0
  begin
    delete from manifests where ino = new.ino and exists (select 1 from doubted_bases d where d.ino = new.ino);
    delete from doubted_bases where ino = new.ino;
  end`,
  `create trigger if not exists doubted_bases_gone after delete on inodes begin
    delete from doubted_bases where ino = old.ino;
  end`,
];

/**
 * A whole tree is loaded anew because the server's log is perhaps not the one that was read here: where an older database was put
 * back, a version that is known here may be the number of another content there. A version is believed where its manifest is known on
 * both sides, and is the same. Where it is not, clean content is replaced, and what was changed or removed here counts as
 * changed or removed without having seen the server's content: beside it, nothing is lost.
 */
export class DoubtedVersions {
  readonly #state: ReplicaState;

  constructor(state: ReplicaState) {
    this.#state = state;
    for (const statement of schema) state.db.run(statement);
  }

  /** To be called before a change of such a load is applied. */
  meet(change: Change): void {
    if (change.type !== 'inode') return;
    const row = this.#state.inodes.byId(change.state.inode);
    if (row === undefined || row.kind !== 'file' || this.#isSame(row, change)) return;
    const { db } = this.#state;
    if (row.contentDirty) {
      db.run('insert into doubted_bases (ino) values (?) on conflict (ino) do nothing', row.ino);
      // What was uploaded took the blocks of its base for being there.
      this.#state.dirty.uploadAgain(row.ino, this.#state.environment.clock.nowMs());
    } else {
      db.run('delete from manifests where ino = ?', row.ino);
      // Whatever version comes now is another one.
      this.#state.inodes.setClean(row, row.size, versionZero);
    }
    db.run('update dirty_places set base_version = 0 where base = ?', row.ino);
    db.run('update dirty_places set seen_version = 0 where planned = ? and seen_version is not null', row.ino);
  }

  /** Whether the server may mean another content by the version on top of which the file's content is dirty. */
  has(ino: Ino): boolean {
    return this.#state.db.get('select 1 from doubted_bases where ino = ?', ino) !== undefined;
  }

  /** The version that a commit of the file's dirty content says to be made on top of. */
  baseOf(row: InodeRow): Version {
    return this.has(row.ino) ? versionZero : row.version;
  }

  #isSame(row: InodeRow, { state, manifest }: Extract<Change, { type: 'inode' }>): boolean {
    if (row.version !== state.version || manifest === null) return false;
    const known = this.#state.manifests.get(row);
    return known !== undefined && Buffer.compare(encodeManifest(known), encodeManifest(manifest)) === 0;
  }
}
