import { closeSync, fsync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import type { Clock } from '../../protocol/environment.ts';
import { replicaSchema } from './schema.ts';

export type Statement = Database.Statement<unknown[], unknown>;

/** How long and how many changes may wait for the commit of the transaction they share. */
export interface GroupCommit {
  readonly delayMs: number;
  readonly changesMax: number;
}

const fsyncFile = promisify(fsync);

/**
 * The replica's SQLite database: prepared statements, changes grouped into transactions, and durability.
 *
 * The first change of a group opens a transaction; it is committed after `delayMs` or `changesMax` changes, or
 * by `durable`. A commit writes to the write-ahead log without waiting for the disk (synchronous = NORMAL);
 * `durable` then flushes the log's file in the thread pool, so the event loop never waits for the disk.
 */
export class ReplicaDatabase {
  readonly #db: Database.Database;
  readonly #clock: Clock;
  readonly #group: GroupCommit;
  readonly #statements = new Map<string, Statement>();
  readonly #walFd: number | undefined;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #savepoint: Statement;
  readonly #release: Statement;
  readonly #undo: Statement;
  readonly #beforeCommits: (() => void)[] = [];
  readonly #afterUndos: (() => void)[] = [];
  #depth = 0;
  #pendingChanges = 0;
  #timer: AbortController | undefined;
  #flushing: Promise<void> | undefined;
  #nextFlush: Promise<void> | undefined;
  #closed = false;

  /** Opens `source`: a file (made if it is missing), `:memory:`, or a database that is open already. */
  constructor(source: string | Database.Database, clock: Clock, group: GroupCommit) {
    this.#db = typeof source === 'string' ? new Database(source) : source;
    this.#clock = clock;
    this.#group = group;
    this.#db.pragma('journal_mode = wal');
    this.#db.pragma('synchronous = normal');
    this.#db.pragma('cache_size = -32768');
    this.#db.pragma('temp_store = memory');
    this.#db.exec(replicaSchema);
    this.#begin = this.#db.prepare('begin immediate');
    this.#commit = this.#db.prepare('commit');
    this.#savepoint = this.#db.prepare('savepoint change');
    this.#release = this.#db.prepare('release change');
    this.#undo = this.#db.prepare('rollback to change');
    this.#walFd = typeof source === 'string' && source !== ':memory:' ? openLog(source) : undefined;
  }

  /** Has `action` called each time before what is pending is committed; if it throws, that stays pending. */
  beforeCommits(action: () => void): void {
    this.#beforeCommits.push(action);
  }

  /** Has `action` called each time a change was undone, so that what was read meanwhile is forgotten. */
  afterUndos(action: () => void): void {
    this.#afterUndos.push(action);
  }

  /** The prepared form of `sql`, made once. */
  prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  get(sql: string, ...values: unknown[]): unknown {
    return this.prepare(sql).get(...values);
  }

  all(sql: string, ...values: unknown[]): unknown[] {
    return this.prepare(sql).all(...values);
  }

  run(sql: string, ...values: unknown[]): void {
    this.prepare(sql).run(...values);
  }

  /** Runs `body` as one atomic change: if it throws, nothing of it stays. Changes inside of changes are part of the outer. */
  change<Result>(body: () => Result): Result {
    if (this.#depth > 0) return body();
    if (!this.#db.inTransaction) {
      this.#begin.run();
      this.#startTimer();
    }
    this.#savepoint.run();
    this.#depth = 1;
    try {
      const result = body();
      this.#release.run();
      return result;
    } catch (error) {
      if (this.#db.inTransaction) {
        this.#undo.run();
        this.#release.run();
      }
      for (const action of this.#afterUndos) action();
      throw error;
    } finally {
      this.#depth = 0;
      this.#pendingChanges += 1;
      if (this.#pendingChanges >= this.#group.changesMax) this.commit();
    }
  }

  /** Commits what is pending; after this it survives the end of the process, though not yet of the machine. */
  commit(): void {
    if (this.#db.inTransaction) for (const action of this.#beforeCommits) action();
    this.#timer?.abort();
    this.#timer = undefined;
    this.#pendingChanges = 0;
    if (!this.#db.inTransaction) return;
    try {
      this.#commit.run();
    } catch (error) {
      // On a full disk SQLite may undo all of it.
      for (const action of this.#afterUndos) action();
      throw error;
    }
  }

  /** Resolves when all that was changed before the call is on the disk. Concurrent calls share one flush. */
  async durable(): Promise<void> {
    this.commit();
    const fd = this.#walFd;
    if (fd === undefined) return;
    if (this.#flushing === undefined) {
      this.#flushing = fsyncFile(fd).finally(() => {
        this.#flushing = undefined;
      });
      return this.#flushing;
    }
    // A flush that runs already may have started before our commit: wait for the one after it.
    this.#nextFlush ??= this.#flushing
      .catch(() => undefined)
      .then(() => {
        this.#nextFlush = undefined;
        return this.durable();
      });
    return this.#nextFlush;
  }

  /** As `durable`, but blocks until the disk is done. */
  durableNow(): void {
    this.commit();
    if (this.#walFd !== undefined) fsyncSync(this.#walFd);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.durable();
    } finally {
      if (this.#walFd !== undefined) closeSync(this.#walFd);
      this.#db.close();
    }
  }

  #startTimer(): void {
    const timer = new AbortController();
    this.#timer = timer;
    this.#clock.sleep(this.#group.delayMs, timer.signal).then(
      () => {
        if (this.#timer !== timer || !this.#db.open) return;
        try {
          this.commit();
        } catch {
          // The disk may be full: the group stays open, and the next change or `durable` meets the error itself.
        }
      },
      () => undefined, // aborted: the group was committed by something else
    );
  }
}

/** Opens the write-ahead log for flushing, and makes sure that the files' names are on the disk. */
function openLog(path: string): number {
  const directory = openSync(dirname(path), 'r');
  try {
    const fd = openSync(`${path}-wal`, 'r');
    fsync(directory, () => closeSync(directory));
    return fd;
  } catch (error) {
    closeSync(directory);
    throw error;
  }
}
