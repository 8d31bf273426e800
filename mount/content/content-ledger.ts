import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { DriveError } from '../../protocol/errors.ts';
import type { InodeId, Version } from '../../protocol/ids.ts';
import type { Ino } from '../replica/local-inode.ts';
import type { ByteRange } from './content-store.ts';

/** What is recorded about one content file. */
export interface LedgerRow {
  readonly generation: number;
  readonly ino: Ino;
  /** The version that the bytes not present come from. */
  readonly sourceInode: InodeId;
  readonly sourceVersion: Version;
  /** `encodeClaims`, as of when it was last recorded in full. */
  readonly claims: string;
  readonly isDirty: boolean;
  /** Whether `claims` is right as it stands. If not, the file was written to since. */
  readonly isExact: boolean;
  /** `encodeClaims` as of the last fsync, whose bytes survive a power loss; `null` if there was none. */
  readonly durableClaims: string | null;
  /** Bytes of the local disk. */
  readonly byteLength: number;
  readonly usedMs: number;
}

const schema = `
  create table if not exists files (
    generation integer primary key, ino integer not null unique, sourceInode text not null,
    sourceVersion integer not null, claims text not null, isDirty integer not null, isExact integer not null,
    durableClaims text, byteLength integer not null, usedMs integer not null);
  create index if not exists files_dirty on files (ino) where isDirty;
  create index if not exists files_used on files (usedMs) where not isDirty;
  create table if not exists arrivals (generation integer not null, start integer not null, "end" integer not null);
  create index if not exists arrivals_generation on arrivals (generation);
  create table if not exists marks (name text primary key, value text not null);
`;

type StoredRow = Omit<LedgerRow, 'isDirty' | 'isExact'> & { readonly isDirty: number; readonly isExact: number };

const fdatasyncOf = promisify(fdatasync);

/**
 * The record of what each content file holds, in an SQLite database beside the files. A statement is one
 * transaction in the write-ahead log: it survives the death of the process at once, and that of the machine
 * after `flush`.
 */
export class ContentLedger {
  readonly #db: Database.Database;
  readonly #logFd: number;
  readonly #statements;

  /** Opens or makes the ledger in `directory`, which must exist and be private. */
  constructor(directory: string) {
    const path = join(directory, 'content.db');
    this.#db = new Database(path);
    write(() => {
      this.#db.pragma('journal_mode = WAL');
      this.#db.pragma('synchronous = NORMAL');
      this.#db.exec(schema);
    });
    this.#statements = this.#prepare();
    this.#logFd = openSync(`${path}-wal`, 'r+');
  }

  row(ino: Ino): LedgerRow | undefined {
    return rowOf(this.#statements.byIno.get(ino));
  }

  rowOfGeneration(generation: number): LedgerRow | undefined {
    return rowOf(this.#statements.byGeneration.get(generation));
  }

  dirtyRows(): LedgerRow[] {
    return this.#statements.dirty.all().flatMap((row) => rowOf(row) ?? []);
  }

  /** All files; for recovery after the machine died. */
  allRows(): LedgerRow[] {
    return this.#statements.all.all().flatMap((row) => rowOf(row) ?? []);
  }

  /** Clean files, those not used for the longest first. */
  leastRecentlyUsed(limit: number): LedgerRow[] {
    return this.#statements.oldest.all(limit).flatMap((row) => rowOf(row) ?? []);
  }

  generations(): Set<number> {
    return new Set(this.#statements.generations.all().map((row) => row.generation));
  }

  /** The highest generation in use; 0 if there is none. */
  lastGeneration(): number {
    return this.#statements.last.get()?.last ?? 0;
  }

  totalBytes(): number {
    return this.#statements.total.get()?.total ?? 0;
  }

  /** Records the whole of it; arrivals recorded singly before are part of it. */
  record(row: LedgerRow): void {
    write(() =>
      this.#db.transaction(() => {
        this.#statements.put.run({ ...row, isDirty: Number(row.isDirty), isExact: Number(row.isExact) });
        this.#statements.forgetArrivals.run(row.generation);
      })(),
    );
  }

  /** The file is being written to: until the next `record`, all that is local may be dirty. */
  markInexact(generation: number): void {
    write(() => this.#statements.inexact.run(generation));
  }

  setDurable(generation: number, claims: string): void {
    write(() => this.#statements.durable.run(claims, generation));
  }

  touch(generation: number, usedMs: number): void {
    write(() => this.#statements.touch.run(usedMs, generation));
  }

  /** Bytes came into the content file: hydrated, or written over what was not. */
  recordArrival(generation: number, range: ByteRange): void {
    write(() => this.#statements.arrive.run(generation, range.start, range.end));
  }

  arrivals(generation: number): ByteRange[] {
    return this.#statements.arrivals.all(generation);
  }

  delete(generation: number): void {
    this.#db.transaction(() => {
      this.#statements.forget.run(generation);
      this.#statements.forgetArrivals.run(generation);
    })();
  }

  mark(name: string): string | undefined {
    return this.#statements.mark.get(name)?.value;
  }

  setMark(name: string, value: string): void {
    write(() => this.#statements.setMark.run(name, value));
  }

  /** What `action` records is recorded as one, or not at all. */
  together(action: () => void): void {
    write(() => this.#db.transaction(action)());
  }

  /** As `flush`, but waits for the disk in place. */
  flushNow(): void {
    fdatasyncSync(this.#logFd);
  }

  /** Resolves when everything recorded before the call is on the disk. */
  async flush(): Promise<void> {
    await fdatasyncOf(this.#logFd);
  }

  close(): void {
    closeSync(this.#logFd);
    this.#db.close();
  }

  #prepare() {
    const db = this.#db;
    const prepare = <Parameters extends unknown[], Row>(sql: string) => db.prepare<Parameters, Row>(sql);
    return {
      byIno: prepare<[number], StoredRow>('select * from files where ino = ?'),
      byGeneration: prepare<[number], StoredRow>('select * from files where generation = ?'),
      dirty: prepare<[], StoredRow>('select * from files where isDirty'),
      all: prepare<[], StoredRow>('select * from files'),
      oldest: prepare<[number], StoredRow>('select * from files where not isDirty order by usedMs limit ?'),
      generations: prepare<[], { generation: number }>('select generation from files'),
      last: prepare<[], { last: number }>('select coalesce(max(generation), 0) as last from files'),
      total: prepare<[], { total: number }>('select coalesce(sum(byteLength), 0) as total from files'),
      put: db.prepare(
        `insert or replace into files (generation, ino, sourceInode, sourceVersion, claims, isDirty, isExact,
           durableClaims, byteLength, usedMs)
         values (@generation, @ino, @sourceInode, @sourceVersion, @claims, @isDirty, @isExact,
           @durableClaims, @byteLength, @usedMs)`,
      ),
      inexact: db.prepare('update files set isExact = 0, isDirty = 1 where generation = ?'),
      durable: db.prepare('update files set durableClaims = ? where generation = ?'),
      touch: db.prepare('update files set usedMs = ? where generation = ?'),
      arrive: db.prepare('insert into arrivals values (?, ?, ?)'),
      arrivals: prepare<[number], ByteRange>('select start, "end" from arrivals where generation = ?'),
      forgetArrivals: db.prepare('delete from arrivals where generation = ?'),
      forget: db.prepare('delete from files where generation = ?'),
      mark: prepare<[string], { value: string }>('select value from marks where name = ?'),
      setMark: db.prepare('insert or replace into marks values (?, ?)'),
    };
  }
}

function rowOf(stored: StoredRow | undefined): LedgerRow | undefined {
  return stored && { ...stored, isDirty: stored.isDirty !== 0, isExact: stored.isExact !== 0 };
}

/** Says a full disk in our own words; the transaction at hand is rolled back. */
function write(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_FULL') {
      throw new DriveError('noSpace', 'the local disk is full; free some space and try again', { cause: error });
    }
    throw error;
  }
}
