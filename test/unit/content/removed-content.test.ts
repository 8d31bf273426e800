import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NamespaceId } from '../../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { ContentFiles } from '../../../mount/content/content-files.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { openReplica } from '../../../mount/replica/replica.ts';
import type { Replica } from '../../../mount/replica/replica.ts';

const namespace = '8b'.repeat(16) as NamespaceId;
const now = 1_763_800_000_000_000_000n;
const kind = { kind: 'file', mode: 0o644, uid: 1, gid: 2, rdev: 0, target: null } as const;

let directory: string;
let database: Database.Database;
let replica: Replica;
let files: ContentFiles;

function start(): void {
  database = new Database(join(directory, 'replica.db'));
  const groupCommit = { delayMs: 600_000, changesMax: 1_000_000 };
  const environment = { clock: systemClock, randomness: systemRandomness };
  replica = openReplica({ path: database, namespace, groupCommit, ...environment });
  files = new ContentFiles({
    ...{ directory: join(directory, 'content'), cacheBytesMax: 2 ** 30, tree: replica, bootId: 'one boot' },
    clock: systemClock,
    hydrate: () => Promise.reject(new Error('nobody else has this content')),
  });
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-removed-'));
  start();
});
afterEach(() => rmSync(directory, { recursive: true }));

function make(name: string, text: string): Ino {
  const { ino } = replica.create(rootIno, name, kind, now);
  const file = files.open(ino);
  file.write(0, Buffer.from(text));
  replica.contentChanged(ino, file.size, now);
  files.close(file);
  return ino;
}

function contentFiles(): string[] {
  const names = readdirSync(join(directory, 'content'), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /^\w\w\//.test(name) && statSync(join(directory, 'content', name)).isFile());
}

test('a kill that undoes a save by renaming over finds the old content whole', async () => {
  const old = make('report', 'the old content, never uploaded');
  make('report.tmp', 'the new content');
  await replica.durable();
  const place = (name: string) => ({ parent: rootIno, name });
  const replaced = replica.rename(place('report.tmp'), place('report'), 'replace', now);
  expect(replaced?.ino).toBe(old);
  files.forget(old);
  database.close(); // with it goes what was not committed
  files.ledger.close();
  start();
  expect(replica.lookup(rootIno, 'report')?.ino).toBe(old);
  const file = files.open(old);
  const bytes = Buffer.alloc(file.size);
  file.read(0, bytes);
  files.close(file);
  expect(bytes.toString()).toBe('the old content, never uploaded');
  await files.shutdown();
  await replica.close();
});

test('what was removed leaves the disk once the removal is on it', async () => {
  const ino = make('scratch', 'not for long');
  expect(contentFiles()).toHaveLength(1);
  replica.unlink(rootIno, 'scratch', now);
  files.forget(ino);
  await files.shutdown();
  await replica.close();
  expect(contentFiles()).toEqual([]);
});
