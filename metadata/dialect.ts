import BetterSqlite from 'better-sqlite3';
import { PostgresDialect, SqliteDialect, sql } from 'kysely';
import type { Dialect as KyselyDialect, RawBuilder } from 'kysely';
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
  /** Ends a `select` that locks the row it found until the end of the transaction. */
  readonly forUpdate: RawBuilder<unknown>;
  /** Keeps other gateways from migrating until the end of the transaction. */
  readonly lockSchema: RawBuilder<unknown> | null;
  /** Tells other gateways, once the transaction is durable; `null` where there can be none listening. */
  announce(payload: string): RawBuilder<unknown> | null;
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

const busyTimeoutMs = 10_000;

function sqlite(file: string): Dialect {
  if (file === '') throw new DriveError('invalidArgument', 'name the database file: sqlite:/path/to/file.db');
  const open = async () => {
    const database = new BetterSqlite(file, { timeout: busyTimeoutMs });
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
    forUpdate: sql``,
    lockSchema: null,
    announce: () => null,
    explain: explainSqlite,
    listen: null,
  };
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
    kysely: new PostgresDialect({ pool }),
    types: { text: 'text collate "C"', integer: 'bigint', bytes: 'bytea' },
    list: (values) =>
      sql`(select u.position - 1 as position, u.value
        from unnest(${values}::text[]) with ordinality as u (value, position))`,
    pairs: (values) =>
      sql`(select u.first, u.second from unnest(${values.map((pair) => pair[0])}::text[],
        ${values.map((pair) => pair[1])}::text[]) as u (first, second))`,
    rows: (types, rows) => {
      const arrays = types.map((type, at) => sql`${rows.map((row) => row[at])}::${sql.raw(postgresArrays[type])}`);
      return sql`select * from unnest(${sql.join(arrays)}) as u where true`;
    },
    forUpdate: sql`for update`,
    lockSchema: sql`select pg_advisory_xact_lock(4858214731)`,
    announce: (payload) => sql`select pg_notify(${announcementChannel}, ${payload})`,
    explain: explainPostgres,
    listen: address,
  };
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
