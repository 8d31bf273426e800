import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { Change } from '../protocol/changes.ts';
import type { Cursor, InodeId, NamespaceId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { decodeManifest } from '../protocol/manifest.ts';
import type { Database } from './database.ts';
import { inodeColumns, standsAt, stateOfRow } from './inode-rows.ts';
import type { InodeRow } from './inode-rows.ts';

type StateRow = InodeRow & { readonly since: Cursor; readonly manifest: Uint8Array | null };

interface NameRow {
  readonly parent: InodeId;
  readonly name: string;
  readonly inode: InodeId;
  readonly at: Cursor;
}

/** Inode rows `i` with the manifests that are short enough to ride along. */
const states = sql<StateRow>`select i.since, ${inodeColumns}, v.manifest from inodes i
  left join versions v on v.namespace = i.namespace and v.inode = i.inode and v.version = i.version
    and v.entries <= ${sql.lit(limits.inlineManifestEntriesMax)}`;

/** Reads the temporal rows as changes, at most a batch at a time. */
export class ChangeRows {
  readonly #database: Database;
  readonly #namespace: NamespaceId;

  constructor(database: Database, namespace: NamespaceId) {
    this.#database = database;
    this.#namespace = namespace;
  }

  async commitTime(cursor: Cursor): Promise<{ readonly timeMs: number }> {
    const [row] = await this.#query(
      sql<{ time_ms: number }>`select time_ms from commits where namespace = ${this.#namespace} and cursor = ${cursor}`,
    );
    return { timeMs: row?.time_ms ?? 0 };
  }

  /** The whole tree as it stood at `cursor`. */
  async *standingAt(cursor: Cursor): AsyncGenerator<readonly Change[]> {
    const at = { cursor };
    yield* this.#statePages(standsAt('i', at));
    yield* this.#namePages(standsAt('d', at), (row) => row.inode);
  }

  /** All that the commit at `cursor` changed. */
  async *of(cursor: Cursor): AsyncGenerator<readonly Change[]> {
    yield* this.#statePages(sql`i.since > 0 and i.since = ${cursor}`);
    yield* this.#gonePages(cursor);
    yield* this.#namePages(sql`d.since > 0 and d.since = ${cursor}`, (row) => row.inode);
    const replaced = sql`exists (select 1 from dentries n where n.namespace = d.namespace and n.parent = d.parent
      and n.name = d.name and n.since = ${cursor})`;
    yield* this.#namePages(sql`d.until = ${cursor} and not ${replaced}`, () => null);
  }

  /** All that the commits after `after`, up to and including `through`, changed, by cursor. */
  async between(after: Cursor, through: Cursor): Promise<ReadonlyMap<Cursor, readonly Change[]>> {
    const changes = new Map<Cursor, Change[]>();
    const add = (cursor: Cursor, change: Change) => {
      const list = changes.get(cursor);
      if (list === undefined) changes.set(cursor, [change]);
      else list.push(change);
    };
    const began = new Set<string>();
    for (const row of await this.#query(this.#within(states, 'i', 'since', after, through))) {
      began.add(`${row.inode} ${row.since}`);
      add(row.since, stateChange(row));
    }
    const ended = sql<{ inode: InodeId; at: Cursor }>`select i.inode, i.until as at from inodes i`;
    for (const row of await this.#query(this.#within(ended, 'i', 'until', after, through))) {
      if (!began.has(`${row.inode} ${row.at}`)) add(row.at, { type: 'inodeGone', inode: row.inode });
    }
    const given = sql<NameRow>`select d.parent, d.name, d.inode, d.since as at from dentries d`;
    for (const row of await this.#query(this.#within(given, 'd', 'since', after, through))) {
      began.add(`${row.parent}/${row.name}/${row.at}`);
      add(row.at, nameChange(row, row.inode));
    }
    const taken = sql<NameRow>`select d.parent, d.name, d.inode, d.until as at from dentries d`;
    for (const row of await this.#query(this.#within(taken, 'd', 'until', after, through))) {
      if (!began.has(`${row.parent}/${row.name}/${row.at}`)) add(row.at, nameChange(row, null));
    }
    return changes;
  }

  #within<Row>(
    select: RawBuilder<Row>,
    alias: 'i' | 'd',
    edge: 'since' | 'until',
    after: Cursor,
    through: Cursor,
  ): RawBuilder<Row> {
    const column = sql.ref(`${alias}.${edge}`);
    const namespace = sql.ref(`${alias}.namespace`);
    return sql<Row>`${select} where ${namespace} = ${this.#namespace} and ${column} > 0
      and ${column} > ${after} and ${column} <= ${through}`;
  }

  async *#statePages(which: RawBuilder<unknown>): AsyncGenerator<readonly Change[]> {
    for (let after = ''; ;) {
      const rows: readonly StateRow[] = await this.#query(
        sql<StateRow>`${states} where i.namespace = ${this.#namespace} and ${which} and i.inode > ${after}
          order by i.inode limit ${limits.changesPerBatchMax}`,
      );
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map(stateChange);
      after = last.inode;
    }
  }

  async *#gonePages(cursor: Cursor): AsyncGenerator<readonly Change[]> {
    for (let after = ''; ;) {
      const rows: readonly { readonly inode: InodeId }[] = await this.#query(
        sql<{ inode: InodeId }>`select i.inode from inodes i
          where i.namespace = ${this.#namespace} and i.until = ${cursor} and i.inode > ${after}
          and not exists (select 1 from inodes n where n.namespace = i.namespace and n.inode = i.inode
            and n.since = ${cursor})
          order by i.inode limit ${limits.changesPerBatchMax}`,
      );
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map((row) => ({ type: 'inodeGone', inode: row.inode }));
      after = last.inode;
    }
  }

  async *#namePages(
    which: RawBuilder<unknown>,
    leadsTo: (row: NameRow) => InodeId | null,
  ): AsyncGenerator<readonly Change[]> {
    for (let [parent, name] = ['', '']; ;) {
      const rows: readonly NameRow[] = await this.#query(
        sql<NameRow>`select d.parent, d.name, d.inode, d.since as at from dentries d
          where d.namespace = ${this.#namespace} and ${which} and (d.parent, d.name) > (${parent}, ${name})
          order by d.parent, d.name limit ${limits.changesPerBatchMax}`,
      );
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map((row) => nameChange(row, leadsTo(row)));
      [parent, name] = [last.parent, last.name];
    }
  }

  #query<Row>(statement: RawBuilder<Row>): Promise<readonly Row[]> {
    return this.#database.read((session) => session.query(statement));
  }
}

function stateChange(row: StateRow): Change {
  const manifest = row.manifest === null ? null : decodeManifest(row.manifest);
  return { type: 'inode', state: stateOfRow(row), manifest };
}

function nameChange(row: NameRow, inode: InodeId | null): Change {
  return { type: 'dentry', parent: row.parent, name: row.name, inode };
}
