import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { InodeId, NamespaceId, Version } from '../../../protocol/ids.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { ContentFiles } from '../../../mount/content/content-files.ts';
import { ContentLedger } from '../../../mount/content/content-ledger.ts';
import type { LedgerRow } from '../../../mount/content/content-ledger.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { openReplica } from '../../../mount/replica/replica.ts';
import type { Replica } from '../../../mount/replica/replica.ts';

const namespace = '8c'.repeat(16) as NamespaceId;
const now = 1_763_800_000_000_000_000n;
const kind = { kind: 'file', mode: 0o644, uid: 1, gid: 2, rdev: 0, target: null } as const;
/** Neither is reached: only what a test commits is committed. */
const groupCommit = { delayMs: 600_000, changesMax: 1_000_000 };
const never = { clock: systemClock, delayMs: 600_000 };

let directory: string;
let database: Database.Database;
let replica: Replica;
let files: ContentFiles;

function start(): void {
  database = new Database(join(directory, 'replica.db'));
  replica = openReplica({ path: database, namespace, groupCommit, clock: systemClock, randomness: systemRandomness });
  files = new ContentFiles({
    ...{ directory: join(directory, 'content'), cacheBytesMax: 2 ** 30, tree: replica, bootId: 'one boot' },
    clock: { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(never.delayMs, signal) },
    hydrate: () => Promise.reject(new Error('all content is local here')),
  });
}

/** Ends everything as kill -9 would: what waits in memory or in an open transaction is lost. */
function kill(): void {
  database.close();
  files.ledger.close();
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-grouped-'));
  start();
});
afterEach(async () => {
  await files.shutdown();
  await replica.close();
  rmSync(directory, { recursive: true });
});

function write(ino: Ino, offset: number, text: string): void {
  const file = files.open(ino);
  file.write(offset, Buffer.from(text));
  replica.contentChanged(ino, file.size, now);
  files.close(file);
}

function read(ino: Ino): string {
  const file = files.open(ino);
  const bytes = Buffer.alloc(file.size);
  file.read(0, bytes);
  files.close(file);
  return bytes.toString();
}

/** A file with content that the server has too, all of it on the disk. */
async function agreed(name: string, text: string): Promise<Ino> {
  const { ino } = replica.create(rootIno, name, kind, now);
  write(ino, 0, text);
  const manifest: Manifest = { profile: '', entries: [{ hash: 'ab'.repeat(32) as never, length: text.length }] };
  replica.contentUploaded(ino, replica.contentSequence(ino), manifest);
  const plan = replica.planCommit(100, 0);
  if (plan === undefined) throw new Error('there is nothing to commit');
  const outcomes = plan.operations.map(() => ({ type: 'applied' }) as const);
  const settled = replica.settle(plan, { cursor: 1 as never, outcomes, corrections: [] }, []);
  for (const { ino: drained, sequence } of settled.drained) files.drained(drained, sequence, manifest);
  await replica.durable();
  return ino;
}

test('a new file that was not committed leaves neither a name nor bytes', () => {
  const { ino } = replica.create(rootIno, 'new', kind, now);
  write(ino, 0, 'never committed');
  kill();
  start();
  expect(replica.lookup(rootIno, 'new')).toBeUndefined();
  const left = readdirSync(join(directory, 'content'), { recursive: true, encoding: 'utf8' });
  expect(left.filter((name) => statSync(join(directory, 'content', name)).isFile() && /^\w\w\//.test(name))).toEqual(
    [],
  );
});

test('a committed tree finds the content of all its files', async () => {
  const { ino } = replica.create(rootIno, 'new', kind, now);
  write(ino, 0, 'committed with the tree');
  await replica.durable();
  kill();
  start();
  expect(replica.lookup(rootIno, 'new')?.ino).toBe(ino);
  expect(read(ino)).toBe('committed with the tree');
});

test('bytes of an agreed file that a kill left changed count as dirty, whatever the tree knew of it', async () => {
  const ino = await agreed('report', 'what the server has');
  expect(replica.inode(ino)?.contentDirty).toBe(false);
  write(ino, 0, 'WHAT');
  kill();
  start();
  expect(read(ino)).toBe('WHAT the server has');
  expect(replica.inode(ino)?.contentDirty).toBe(true);
});

test('a file that was cut and grew again has zeros where it was cut, after a kill too', async () => {
  const ino = await agreed('report', 'what the server has');
  const file = files.open(ino);
  file.truncate(4);
  file.truncate(8);
  files.close(file);
  kill();
  start();
  expect(read(ino)).toBe('what\0\0\0\0');
});

function row(generation: number, ino: number, size: number): LedgerRow {
  return {
    ...{ generation, ino: ino as Ino, sourceInode: 'a'.repeat(32) as InodeId, sourceVersion: 0 as Version },
    ...{
      claims: `[${size},${size},[],[]]`,
      isDirty: false,
      isExact: true,
      durableClaims: null,
      byteLength: size,
      usedMs: 1,
    },
  };
}

test('the ledger answers with what waits as it does with what is committed', () => {
  mkdirLedger('waiting');
  mkdirLedger('direct');
  const waiting = new ContentLedger(join(directory, 'waiting'), never);
  const direct = new ContentLedger(join(directory, 'direct'));
  const both = (step: (ledger: ContentLedger) => void): void => {
    for (const ledger of [waiting, direct]) step(ledger);
    for (const ino of [1, 2, 3] as Ino[]) expect(waiting.row(ino)).toEqual(direct.row(ino));
    for (const generation of [1, 2, 3]) {
      expect(waiting.rowOfGeneration(generation)).toEqual(direct.rowOfGeneration(generation));
      expect(waiting.arrivals(generation)).toEqual(direct.arrivals(generation));
    }
  };
  both((ledger) => ledger.recordSoon(row(1, 1, 10)));
  both((ledger) => ledger.markInexact(1));
  both((ledger) => ledger.recordArrival(1, { start: 0, end: 5 }));
  waiting.commit();
  both((ledger) => ledger.recordArrival(1, { start: 5, end: 9 }));
  both((ledger) => ledger.recordSoon(row(2, 2, 20)));
  both((ledger) => ledger.recordSoon(row(1, 3, 30)));
  both((ledger) => ledger.recordSoon(row(3, 3, 40)));
  both((ledger) => ledger.delete(2));
  both((ledger) => ledger.setDurable(3, '[1,1,[],[]]'));
  both((ledger) => ledger.touch(3, 7, 8));
  waiting.commit();
  both((ledger) => ledger.delete(3));
  for (const ledger of [waiting, direct]) ledger.close();
});

function mkdirLedger(name: string): void {
  mkdirSync(join(directory, name));
}
