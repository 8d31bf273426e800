import BetterSqlite from 'better-sqlite3';
import { CompiledQuery, PostgresDialect, SqliteDialect, sql } from 'kysely';
import type { DatabaseConnection, Dialect as KyselyDialect, RawBuilder } from 'kysely';
import pg from 'pg';
import { DriveError } from '../protocol/errors.ts';
import type { Cell, ColumnType } from './schema.ts';

/**
 * All that differs between the database engines, and the one file that names them. Beyond it there is one
 * SQL for both.
 */
export interface Dialect {
  readonly kysely: KyselyDialect;
  /** The SQL types of the columns. */
  readonly types: Readonly<Record<ColumnType, string>>;
  /** A table `(position, value)` of the texts given, in their order from 0, as one parameter. */
  list(values: readonly string[]): RawBuilder<unknown>;
  /** A table `(first, second)` of the pairs given. */
  pairs(values: readonly (readonly [string, string])[]): RawBuilder<unknown>;
  /** A `select` that yields `rows`, whose cells are in the order of `types`; the same text however many rows. */
  rows(types: readonly ColumnType[], rows: readonly (readonly Cell[])[]): RawBuilder<unknown>;
  /**
   * What goes after `from` to find, for each row of `wanted`, the rows of `table` (known as `alias`) that `condition`
   * names: by an index search each, whatever the planner believes of the table.
   */
  each(wanted: RawBuilder<unknown>, table: string, alias: string, condition: RawBuilder<unknown>): RawBuilder<unknown>;
  /** Says of a row of the table that is changed that it is one of those whose `rowAddress` is selected. */
  isAmong(select: RawBuilder<unknown>): RawBuilder<boolean>;
  /** The column, of a table in `each`, that says where a row lies; it holds until the row is changed. */
  readonly rowAddress: string;
  /** Ends a `select` that locks the row it found until the end of the transaction. */
  readonly forUpdate: RawBuilder<unknown>;
  /** Keeps other gateways from migrating until the end of the transaction. */
  readonly lockSchema: RawBuilder<unknown> | null;
  /** Has the planner assume the same of every namespace, in a table with that column; `null` if it does anyway. */
  planAlike(table: string): RawBuilder<unknown> | null;
  /** Tells other gateways, once the transaction is durable; `null` where there can be none listening. */
  announce(payload: string): RawBuilder<unknown> | null;
  /** Whether the transaction lost against another one and may be tried again. */
  lostRace(error: unknown): boolean;
  /** What a driver's error means to a caller, or `undefined` if it is a defect. */
  explain(error: unknown): DriveError | undefined;
  /** Where announcements of other gateways are heard; `null` where there are none. */
  readonly listen: PostgresAddress | null;
}

/** How a connection of its own is made. */
export type PostgresAddress = pg.ClientConfig;

/** The channel that gateways announce commits on. */
export const announcementChannel = 'holdfast_commits';

/** `sqlite:FILE`, `sqlite::memory:` or `postgres://…`; anything else throws `invalidArgument`. */
export function dialectOf(url: string): Dialect {
  if (url.startsWith('sqlite:')) return sqlite(url.slice('sqlite:'.length));
  if (/^postgres(ql)?:\/\//.test(url)) return postgres(url);
  throw new DriveError('invalidArgument', 'a database URL starts with "sqlite:" or "postgres://"');
}

/** How long a statement waits, and this process with it, while another process writes; beyond it, it is tried again. */
const busyTimeoutMs = 5;

function sqlite(file: string): Dialect {
  if (file === '') throw new DriveError('invalidArgument', 'name the database file: sqlite:/path/to/file.db');
  const open = async () => {
    const database = openFile(file);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    database.pragma('temp_store = MEMORY');
    return withStatementCache(database);
  };
  return {
    kysely: new SqliteDialect({ database: open }),
    types: { text: 'text', integer: 'integer', bytes: 'blob' },
    list: (values) => sql`(select key as position, value from json_each(${JSON.stringify(values)}))`,
    pairs: (values) =>
      sql`(select value ->> 0 as first, value ->> 1 as second from json_each(${JSON.stringify(values)}))`,
    rows: (types, rows) => {
      const cells = types.map((type, at) => {
        const cell = sql`json_extract(value, ${sql.lit(`$[${at}]`)})`;
        return type === 'bytes' ? sql`unhex(${cell})` : cell;
      });
      return sql`select ${sql.join(cells)} from json_each(${JSON.stringify(rows, bytesAsHex)}) where true`;
    },
    each: (wanted, table, alias, condition) =>
      sql`${wanted} as wanted cross join ${sql.raw(`${table} ${alias}`)} where ${condition}`,
    isAmong: (select) => sql`rowid in (${select})`,
    rowAddress: 'rowid',
    forUpdate: sql``,
    lockSchema: null,
    planAlike: () => null,
    announce: () => null,
    lostRace: (error) => /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error)),
    explain: explainSqlite,
    listen: null,
  };
}

function openFile(file: string): BetterSqlite.Database {
  try {
    return new BetterSqlite(file, { timeout: busyTimeoutMs });
  } catch (error) {
    // Without a code where the folder is missing.
    throw explainSqlite(error) ?? new DriveError('unavailable', `${file} cannot be opened`, { cause: error });
  }
}

/** `JSON.stringify` sees a `Buffer` through its `toJSON`, so both forms are met here. */
function bytesAsHex(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  return original instanceof Uint8Array ? Buffer.from(original).toString('hex') : value;
}

const cachedStatementsMax = 256;

/**
 * Prepared once and kept; and a transaction takes the write lock as it begins, since one that read first could
 * not be given it later without starting over.
 */
function withStatementCache(database: BetterSqlite.Database) {
  const cache = new Map<string, BetterSqlite.Statement<unknown[]>>();
  return {
    close: () => {
      database.close();
    },
    prepare: (text: string) => {
      const wanted = text === 'begin' ? 'begin immediate' : text;
      let statement = cache.get(wanted);
      if (statement === undefined) {
        statement = database.prepare<unknown[]>(wanted);
        if (cache.size >= cachedStatementsMax) cache.clear();
        cache.set(wanted, statement);
      }
      return statement as BetterSqlite.Statement<unknown[]> & { all(parameters: readonly unknown[]): unknown[] };
    },
  };
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

function explainSqlite(error: unknown): DriveError | undefined {
  const code = codeOf(error);
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new DriveError('unavailable', 'the database is busy; try again', { cause: error });
  }
  if (code === 'SQLITE_FULL') return new DriveError('noSpace', 'the disk of the database is full', { cause: error });
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) {
    return new DriveError('corrupt', 'the database file is damaged', { cause: error });
  }
  if (/^SQLITE_(CANTOPEN|IOERR|READONLY)/.test(code)) {
    return new DriveError('unavailable', 'the database file cannot be opened or written', { cause: error });
  }
  return undefined;
}

const int8TypeId = 20;

function postgres(url: string): Dialect {
  const address: PostgresAddress = {
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'holdfast',
    types: {
      getTypeParser: (id: number, format?: 'text' | 'binary') =>
        id === int8TypeId ? Number : (pg.types.getTypeParser(id, format) as (text: string) => unknown),
    },
  };
  const limitsOfWork = { statement_timeout: 60_000, lock_timeout: 30_000, idle_in_transaction_session_timeout: 60_000 };
  const pool = async () => {
    const made = new pg.Pool({ ...address, ...limitsOfWork, max: 10, idleTimeoutMillis: 30_000 });
    // An idle connection that breaks is replaced at the next use, which is where a lasting fault is reported.
    made.on('error', () => undefined);
    return made;
  };
  return {
    kysely: new PostgresDialect({ pool, onCreateConnection: preferIndexSearches }),
    types: { text: 'text collate "C"', integer: 'bigint', bytes: 'bytea' },
    list: (values) =>
      sql`(select u.position - 1 as position, u.value collate "C" as value
        from unnest(${values}::text[]) with ordinality as u (value, position))`,
    pairs: (values) =>
      sql`(select u.first collate "C" as first, u.second collate "C" as second from unnest(${values.map((pair) => pair[0])}::text[],
        ${values.map((pair) => pair[1])}::text[]) as u (first, second))`,
    rows: (types, rows) => {
      const arrays = types.map((type, at) => sql`${rows.map((row) => row[at])}::${sql.raw(postgresArrays[type])}`);
      return sql`select * from unnest(${sql.join(arrays)}) as u where true`;
    },
    each: (wanted, table, alias, condition) =>
      sql`${wanted} as wanted cross join lateral (select ${sql.raw(`${alias}.ctid as address, ${alias}.*`)}
        from ${sql.raw(`${table} ${alias}`)} where ${condition} offset 0) as ${sql.raw(alias)} where true`,
    isAmong: (select) => sql`ctid = any (array(${select}))`,
    rowAddress: 'address',
    forUpdate: sql`for update`,
    // A namespace that came after the last ANALYZE would be taken for empty, and read from end to end where an index
    // search was meant. Without statistics the planner takes any for a two-hundredth of the table.
    planAlike: (table) => sql`alter table ${sql.raw(table)} alter column namespace set statistics 0`,
    lockSchema: sql`select pg_advisory_xact_lock(4858214731)`,
    announce: (payload) => sql`select pg_notify(${announcementChannel}, ${payload})`,
    lostRace: (error) => /^40(001|P01)$/.test(codeOf(error)),
    explain: explainPostgres,
    listen: address,
  };
}

/**
 * Every statement here is a number of index searches. No estimate shall turn that into reading a whole namespace,
 * and for one that has just been filled all estimates are wrong.
 */
async function preferIndexSearches(connection: DatabaseConnection): Promise<void> {
  const settings = ['enable_hashjoin', 'enable_mergejoin', 'enable_material', 'enable_seqscan', 'jit'];
  const calls = settings.map((setting) => `set_config('${setting}', 'off', false)`);
  await connection.executeQuery(CompiledQuery.raw(`select ${calls.join(', ')}`));
}

const postgresArrays: Readonly<Record<ColumnType, string>> = { text: 'text[]', integer: 'bigint[]', bytes: 'bytea[]' };

/** By SQLSTATE (PostgreSQL manual, appendix A) or the socket's error. */
function explainPostgres(error: unknown): DriveError | undefined {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : '';
  if (code === '57014' || code === '55P03') {
    return new DriveError('timeout', 'the database took too long; try again', { cause: error });
  }
  if (code === '53100') return new DriveError('noSpace', 'the disk of the database is full', { cause: error });
  const lost = /^(08|53|57P|40|25P03)/.test(code) || /^E(CONN|PIPE|NOENT|HOST|TIMEDOUT|AI_)/.test(code);
  if (lost || /connection (terminated|timeout)|timeout exceeded when trying to connect/i.test(message)) {
    return new DriveError('unavailable', 'the database cannot be reached; try again', { cause: error });
  }
  return undefined;
}
