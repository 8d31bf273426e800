import { setTimeout as sleep } from 'node:timers/promises';
import { Kysely, sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import { asDriveError } from '../protocol/errors.ts';
import type { Dialect } from './dialect.ts';
import { tables } from './schema.ts';
import type { Cell, ColumnType, RowOf, TableName } from './schema.ts';

/** Rows or parameters of one statement; more are sent in several. */
const rowsPerStatementMax = 5_000;

const raceMsMax = 10_000;

/** Statements on one connection or transaction, the same for all engines. */
export class Session {
  readonly #executor: Kysely<unknown>;
  readonly #dialect: Dialect;

  constructor(executor: Kysely<unknown>, dialect: Dialect) {
    this.#executor = executor;
    this.#dialect = dialect;
  }

  /** Runs one statement and returns its rows. */
  async query<Row>(statement: RawBuilder<Row>): Promise<readonly Row[]> {
    return (await statement.execute(this.#executor)).rows;
  }

  /** The first row, if there is any. */
  async first<Row>(statement: RawBuilder<Row>): Promise<Row | undefined> {
    return (await this.query(statement))[0];
  }

  /** Inserts rows in sets; with `keep`, a row whose key is there already is left as it is. */
  async insert<Table extends TableName>(table: Table, rows: readonly RowOf<Table>[], keep = false): Promise<void> {
    const columns = Object.entries<ColumnType>(tables[table]);
    const names = columns.map(([name]) => name);
    const types = columns.map(([, type]) => type);
    for (let at = 0; at < rows.length; at += rowsPerStatementMax) {
      const cells = rows
        .slice(at, at + rowsPerStatementMax)
        .map((row) => names.map((name) => (row as Readonly<Record<string, Cell>>)[name] ?? null));
      await this.query(
        sql`insert into ${sql.raw(table)} (${sql.raw(names.join(', '))}) ${this.#dialect.rows(types, cells)}
          ${keep ? sql`on conflict do nothing` : sql``}`,
      );
    }
  }

  /** Runs a statement for each slice of `values` that fits into one, and returns the rows of all. */
  async inSlices<Value, Row>(
    values: readonly Value[],
    statement: (slice: readonly Value[]) => RawBuilder<Row>,
  ): Promise<readonly Row[]> {
    const rows: Row[] = [];
    for (let at = 0; at < values.length; at += rowsPerStatementMax) {
      for (const row of await this.query(statement(values.slice(at, at + rowsPerStatementMax)))) rows.push(row);
    }
    return rows;
  }

  list(values: readonly string[]): RawBuilder<unknown> {
    return this.#dialect.list(values);
  }

  pairs(values: readonly (readonly [string, string])[]): RawBuilder<unknown> {
    return this.#dialect.pairs(values);
  }

  /** See `Dialect.each`. */
  each(wanted: RawBuilder<unknown>, table: string, alias: string, condition: RawBuilder<unknown>): RawBuilder<unknown> {
    return this.#dialect.each(wanted, table, alias, condition);
  }

  /** See `Dialect.isAmong`. */
  isAmong(select: RawBuilder<unknown>): RawBuilder<boolean> {
    return this.#dialect.isAmong(select);
  }

  /** Where a row of the table called `alias` lies, for `isAmong`. */
  rowAddress(alias: string): RawBuilder<unknown> {
    return sql.ref(`${alias}.${this.#dialect.rowAddress}`);
  }

  get forUpdate(): RawBuilder<unknown> {
    return this.#dialect.forUpdate;
  }

  /** Announces to other gateways what they shall hear once the transaction is durable. */
  async announce(payload: string): Promise<void> {
    const statement = this.#dialect.announce(payload);
    if (statement !== null) await this.query(statement);
  }

  async lockSchema(): Promise<void> {
    if (this.#dialect.lockSchema !== null) await this.query(this.#dialect.lockSchema);
  }

  async planAlike(table: string): Promise<void> {
    const statement = this.#dialect.planAlike(table);
    if (statement !== null) await this.query(statement);
  }

  /** Puts the dialect's types in for `{text}`, `{integer}` and `{bytes}`. */
  typed(statement: string): string {
    return statement.replaceAll(/\{(text|integer|bytes)\}/g, (_, type: ColumnType) => this.#dialect.types[type]);
  }
}

/** The one owner of the connections. Whatever a driver throws leaves it as a `DriveError`. */
export class Database {
  readonly #kysely: Kysely<unknown>;
  readonly #dialect: Dialect;

  /** `onStatement` hears the text of each statement sent. */
  constructor(dialect: Dialect, onStatement?: (text: string) => void) {
    this.#dialect = dialect;
    const log = onStatement === undefined ? {} : { log: (event: LogEvent) => onStatement(event.query.sql) };
    this.#kysely = new Kysely<unknown>({ dialect: dialect.kysely, ...log });
  }

  /** For reads of single statements; each sees what was committed before it. */
  async read<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    return this.#explained(() => work(new Session(this.#kysely, this.#dialect)));
  }

  /**
   * All of `work` or nothing of it; once it resolves it is durable. Where another process is in the way it waits,
   * up to ten seconds, and runs `work` anew.
   */
  async transaction<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    const deadline = performance.now() + raceMsMax;
    return this.#explained(async () => {
      for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 50)) {
        try {
          return await this.#kysely
            .transaction()
            .execute((transaction) => work(new Session(transaction, this.#dialect)));
        } catch (error) {
          if (!this.#dialect.lostRace(error) || performance.now() > deadline) throw error;
          await sleep(waitMs);
        }
      }
    });
  }

  async close(): Promise<void> {
    await this.#kysely.destroy();
  }

  async #explained<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw this.#dialect.explain(error) ?? asDriveError(error);
    }
  }
}

interface LogEvent {
  readonly query: { readonly sql: string };
}
