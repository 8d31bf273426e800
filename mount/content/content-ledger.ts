import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import type { Clock } from '../../protocol/environment.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { InodeId, Version } from '../../protocol/ids.ts';
import type { Ino } from '../replica/local-inode.ts';
import type { ByteRange } from './content-store.ts';
import { PendingRows } from './pending-rows.ts';
import type { RecordOnDisk } from './pending-rows.ts';
import type { SegmentUse } from './segment-uses.ts';

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
  create table if not exists segmentUses (
    generation integer not null, segment integer not null, usedMs integer not null,
    primary key (generation, segment)) without rowid;
  create table if not exists marks (name text primary key, value text not null);
`;

type StoredRow = Omit<LedgerRow, 'isDirty' | 'isExact'> & { readonly isDirty: number; readonly isExact: number };

const fdatasyncOf = promisify(fdatasync);

/** How long records may wait for a transaction that they share. */
export interface LedgerGroup {
  readonly clock: Clock;
  readonly delayMs: number;
}

/** More records than these do not wait. */
const pendingMax = 2_000;

/**
 * The record of what each content file holds, in an SQLite database beside the files. What is committed is in the
 * write-ahead log: it survives the death of the process, and that of the machine after `flush`.
 *
 * With a group, what does not make the disk's record wrong waits in memory and shares a transaction. Whoever commits
 * elsewhere what follows from a record (the size that the tree knows, say) calls `commit` before, so that nobody ever
 * knows more than the ledger.
 */
export class ContentLedger {
  readonly #db: Database.Database;
  readonly #logFd: number;
  readonly #statements;
  readonly #group: LedgerGroup | undefined;
  readonly #pending = new PendingRows();
  /** Above these nothing was ever recorded: what is made anew is known without a question to the disk. */
  #lastGeneration: number;
  #lastIno: number;
  #timer: AbortController | undefined;

  /** Opens or makes the ledger in `directory`, which must exist and be private. Without a group nothing waits. */
  constructor(directory: string, group?: LedgerGroup) {
    this.#group = group;
    const path = join(directory, 'content.db');
    this.#db = new Database(path);
    write(() => {
      this.#db.pragma('journal_mode = WAL');
      this.#db.pragma('synchronous = NORMAL');
      this.#db.exec(schema);
    });
    this.#statements = this.#prepare();
    this.#lastGeneration = this.lastGeneration();
    this.#lastIno = this.#statements.lastIno.get()?.last ?? 0;
    this.#logFd = openSync(`${path}-wal`, 'r+');
  }

  row(ino: Ino): LedgerRow | undefined {
    if (ino > this.#lastIno) return undefined;
    const pending = this.#pending.byIno(ino);
    if (pending !== undefined) return pending;
    const row = rowOf(this.#statements.byIno.get(ino));
    return row === undefined || this.#pending.supersedes(row.generation) ? undefined : row;
  }

  rowOfGeneration(generation: number): LedgerRow | undefined {
    const pending = this.#pending.get(generation);
    if (pending !== undefined) return pending;
    return this.#pending.supersedes(generation) ? undefined : rowOf(this.#statements.byGeneration.get(generation));
  }

  dirtyRows(): LedgerRow[] {
    this.commit();
    return this.#statements.dirty.all().flatMap((row) => rowOf(row) ?? []);
  }

  /** All files; for recovery after the machine died. */
  allRows(): LedgerRow[] {
    this.commit();
    return this.#statements.all.all().flatMap((row) => rowOf(row) ?? []);
  }

  /** Clean files, those not used for the longest first. On a full disk those whose record waits are left out. */
  leastRecentlyUsed(limit: number): LedgerRow[] {
    this.#tryToCommit();
    const rows = this.#statements.oldest.all(limit + this.#pending.size).flatMap((row) => rowOf(row) ?? []);
    return rows.filter((row) => !this.#pending.supersedes(row.generation)).slice(0, limit);
  }

  /** The clean files that take the most of the disk. */
  largest(limit: number): LedgerRow[] {
    this.#tryToCommit();
    return this.#statements.largest.all(limit).flatMap((row) => rowOf(row) ?? []);
  }

  generations(): Set<number> {
    this.commit();
    return new Set(this.#statements.generations.all().map((row) => row.generation));
  }

  /** The highest generation in use; 0 if there is none. */
  lastGeneration(): number {
    this.commit();
    return this.#statements.last.get()?.last ?? 0;
  }

  totalBytes(): number {
    this.commit();
    return this.#statements.total.get()?.total ?? 0;
  }

  /** Records the whole of it; arrivals recorded singly before are part of it. */
  record(row: LedgerRow): void {
    this.#put(row);
    if (!this.#db.inTransaction) this.commit();
  }

  /** As `record`, but it may wait: what the disk says of the file must stay true until it is committed. */
  recordSoon(row: LedgerRow): void {
    this.#put(row);
    this.#wait();
  }

  /**
   * The file is being written to: until the next `record`, all that is local may be dirty. Returns once the disk has
   * no claims of the file that its next bytes would make wrong.
   */
  markInexact(generation: number): void {
    const onDisk = this.#pending.amend(generation, { isExact: false, isDirty: true });
    if (onDisk === undefined) write(() => this.#statements.inexact.run(generation));
    else if (onDisk === 'exact') this.commit();
  }

  setDurable(generation: number, claims: string): void {
    const onDisk = this.#pending.amend(generation, { durableClaims: claims });
    if (onDisk === undefined) write(() => this.#statements.durable.run(claims, generation));
  }

  /** What changes of a clean file without a change of its bytes: when it was used, and what it takes of the disk. */
  touch(generation: number, usedMs: number, byteLength: number): void {
    this.#pending.touch(generation, { usedMs, byteLength });
    this.#wait();
  }

  /** What a content file takes on the local disk, when that changed alone. */
  measured(generation: number, byteLength: number): void {
    const onDisk = this.#pending.amend(generation, { byteLength });
    if (onDisk === undefined) write(() => this.#statements.measured.run(byteLength, generation));
  }

  /** When parts of a large file were used. */
  recordUses(generation: number, uses: readonly SegmentUse[]): void {
    if (uses.length === 0) return;
    this.together(() => {
      for (const { segment, usedMs } of uses) this.#statements.use.run(generation, segment, usedMs);
    });
  }

  segmentUses(generation: number): SegmentUse[] {
    return this.#statements.uses.all(generation);
  }

  /** Files into which something came that `byteLength` does not count. */
  generationsWithArrivals(): number[] {
    this.commit();
    return this.#statements.arrived.all().map((row) => row.generation);
  }

  /** Bytes came into the content file: hydrated, or written over what was not. */
  recordArrival(generation: number, range: ByteRange): void {
    this.#pending.arrive(generation, range);
    this.#wait();
  }

  arrivals(generation: number): ByteRange[] {
    const waiting = this.#pending.arrivals(generation);
    // A whole row that waits has what arrived before it in itself.
    if (this.#pending.supersedes(generation)) return [...waiting];
    return [...this.#statements.arrivals.all(generation), ...waiting];
  }

  delete(generation: number): void {
    this.#pending.delete(generation);
    this.#wait();
  }

  /** Commits what waits: after it, it survives the end of the process. If the disk is full, it waits on. */
  commit(): void {
    this.#timer?.abort();
    this.#timer = undefined;
    if (this.#pending.size === 0) return;
    write(() => this.#db.transaction(() => this.#writePending())());
    this.#pending.clear();
  }

  mark(name: string): string | undefined {
    return this.#statements.mark.get(name)?.value;
  }

  setMark(name: string, value: string): void {
    if (!this.#db.inTransaction) this.commit();
    write(() => this.#statements.setMark.run(name, value));
  }

  /** What `action` records is recorded as one, or not at all. */
  together(action: () => void): void {
    this.commit();
    const transaction = this.#db.transaction(() => {
      action();
      this.#writePending();
    });
    write(() => transaction());
    this.#pending.clear();
  }

  /** As `flush`, but waits for the disk in place. */
  flushNow(): void {
    this.commit();
    fdatasyncSync(this.#logFd);
  }

  /** Resolves when everything recorded before the call is on the disk. */
  async flush(): Promise<void> {
    this.commit();
    await fdatasyncOf(this.#logFd);
  }

  /** What waits is lost: `flush` before, unless the end of the process is to be played. */
  close(): void {
    this.#timer?.abort();
    closeSync(this.#logFd);
    this.#db.close();
  }

  #put(row: LedgerRow): void {
    const { generation, ino } = row;
    this.#pending.put(row, () => (generation > this.#lastGeneration ? 'nothing' : this.#onDisk(generation)));
    this.#lastGeneration = Math.max(this.#lastGeneration, generation);
    this.#lastIno = Math.max(this.#lastIno, ino);
  }

  #onDisk(generation: number): RecordOnDisk {
    const row = this.#statements.exactness.get(generation);
    if (row === undefined) return 'nothing';
    return row.isExact === 0 ? 'inexact' : 'exact';
  }

  #tryToCommit(): void {
    try {
      this.commit();
    } catch {
      // The disk may be full: it waits on, and whoever commits or flushes next meets the error itself.
    }
  }

  #writePending(): void {
    const { put, forget, forgetArrivals, forgetUses, arrive, touch } = this.#statements;
    this.#pending.writeTo({
      delete: (generation) => {
        forget.run(generation);
        forgetArrivals.run(generation);
        forgetUses.run(generation);
      },
      put: (row) => {
        put.run({ ...row, isDirty: Number(row.isDirty), isExact: Number(row.isExact) });
        forgetArrivals.run(row.generation);
      },
      arrive: (generation, { start, end }) => arrive.run(generation, start, end),
      touch: (generation, { usedMs, byteLength }) => touch.run(usedMs, byteLength, generation),
    });
  }

  /** Something waits: it is committed now, or before long. */
  #wait(): void {
    if (this.#db.inTransaction) return; // of `together`, which writes it
    if (this.#group === undefined || this.#pending.size >= pendingMax) return this.commit();
    if (this.#timer !== undefined) return;
    const timer = new AbortController();
    this.#timer = timer;
    this.#group.clock.sleep(this.#group.delayMs, timer.signal).then(
      () => {
        if (this.#timer === timer && this.#db.open) this.#tryToCommit();
      },
      () => undefined, // aborted: it was committed by something else
    );
  }

  #prepare() {
    const db = this.#db;
    const prepare = <Parameters extends unknown[], Row>(sql: string) => db.prepare<Parameters, Row>(sql);
    return {
      byIno: prepare<[number], StoredRow>('select * from files where ino = ?'),
      byGeneration: prepare<[number], StoredRow>('select * from files where generation = ?'),
      exactness: prepare<[number], { isExact: number }>('select isExact from files where generation = ?'),
      dirty: prepare<[], StoredRow>('select * from files where isDirty'),
      all: prepare<[], StoredRow>('select * from files'),
      oldest: prepare<[number], StoredRow>('select * from files where not isDirty order by usedMs limit ?'),
      largest: prepare<[number], StoredRow>('select * from files where not isDirty order by byteLength desc limit ?'),
      generations: prepare<[], { generation: number }>('select generation from files'),
      last: prepare<[], { last: number }>('select coalesce(max(generation), 0) as last from files'),
      lastIno: prepare<[], { last: number }>('select coalesce(max(ino), 0) as last from files'),
      total: prepare<[], { total: number }>('select coalesce(sum(byteLength), 0) as total from files'),
      put: db.prepare(
        `insert or replace into files (generation, ino, sourceInode, sourceVersion, claims, isDirty, isExact,
           durableClaims, byteLength, usedMs)
         values (@generation, @ino, @sourceInode, @sourceVersion, @claims, @isDirty, @isExact,
           @durableClaims, @byteLength, @usedMs)`,
      ),
      inexact: db.prepare('update files set isExact = 0, isDirty = 1 where generation = ?'),
      durable: db.prepare('update files set durableClaims = ? where generation = ?'),
      touch: db.prepare('update files set usedMs = ?, byteLength = ? where generation = ?'),
      measured: db.prepare('update files set byteLength = ? where generation = ?'),
      use: db.prepare('insert or replace into segmentUses values (?, ?, ?)'),
      uses: prepare<[number], SegmentUse>('select segment, usedMs from segmentUses where generation = ?'),
      forgetUses: db.prepare('delete from segmentUses where generation = ?'),
      arrived: prepare<[], { generation: number }>('select distinct generation from arrivals'),
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
