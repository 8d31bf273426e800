import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openMetadata } from '../../../metadata/open.ts';
import type { MetadataOptions } from '../../../metadata/open.ts';
import type { Caller } from '../../../protocol/accounts.ts';
import type { Cursor } from '../../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { Drive, file, openDrive } from '../../conformance/metadata/drive.ts';
import { ManualClock, sqliteInMemory } from '../../conformance/metadata/engines.ts';

const environment = { clock: systemClock, randomness: systemRandomness };
const open = (url: string, options: MetadataOptions = {}) =>
  openMetadata(url, environment, { passwordCost: 2, ...options });

async function databaseFile(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-metadata-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return join(directory, 'metadata.db');
}

async function openFile(path: string): Promise<Drive> {
  const store = await open(`sqlite:${path}`);
  onTestFinished(() => store.close());
  const { user, namespace } = await store.accounts.createUser('Ada', 'secret');
  const caller: Caller = { user, userName: 'Ada', device: null };
  const opened = { store, clock: new ManualClock(), again: () => open(`sqlite:${path}`), close: () => store.close() };
  return new Drive(opened, caller, namespace);
}

describe('metadata in an SQLite file', () => {
  it('opens from four sides at once, and from each sees what the others committed', async () => {
    const path = await databaseFile();
    const stores = await Promise.all(Array.from({ length: 4 }, () => open(`sqlite:${path}`)));
    onTestFinished(async () => {
      for (const store of stores) await store.close();
    });
    const [first] = stores;
    if (first === undefined) throw new Error('no store');
    const { user, namespace } = await first.accounts.createUser('Ada', 'secret');
    const caller: Caller = { user, userName: 'Ada', device: null };
    const clock = new ManualClock();
    const drives = stores.map((store) => {
      return new Drive({ store, clock, again: () => open(path), close: () => store.close() }, caller, namespace);
    });
    for (const [at, drive] of drives.entries()) await drive.commit(file(drive.root, `f${at}`));
    for (const drive of drives) expect(await drive.paths()).toEqual(['f0', 'f1', 'f2', 'f3']);
  });

  it('is there again after it was closed, in a write-ahead log', async () => {
    const path = await databaseFile();
    const drive = await openFile(path);
    await drive.makeFile('a', 'one');
    expect((await stat(`${path}-wal`)).size).toBeGreaterThan(0);
    const again = await drive.opened.again();
    onTestFinished(() => again.close());
    const later = new Drive({ ...drive.opened, store: again }, drive.caller, drive.namespace);
    expect(await later.paths()).toEqual(['a']);
  });

  it('keeps a namespace within its quota', async () => {
    const path = await databaseFile();
    const drive = await openFile(path);
    const big = await drive.makeFile('a', '12345');
    const database = new BetterSqlite(path);
    database.prepare('update namespaces set quota_bytes = 8').run();
    database.close();
    await drive.makeFile('b', '123');
    await expect(drive.makeFile('c', '1')).rejects.toMatchObject({ code: 'quotaExceeded' });
    await drive.makeFile('empty');
    expect(await drive.paths()).toEqual(['a', 'b', 'empty']);
    const info = await drive.tree.namespace(drive.namespace);
    expect(info).toMatchObject({ quotaBytes: 8, usedBytes: 8 });
    const smaller = { type: 'content', inode: big.inode, base: big.version, mtimeNs: 1n, ctimeNs: 1n } as const;
    await drive.commit({ ...smaller, manifest: await drive.upload('1') });
    await drive.makeFile('c', '1');
  });

  it('says that history was cut', async () => {
    const path = await databaseFile();
    const drive = await openFile(path);
    for (const name of ['a', 'b', 'c']) await drive.makeFile(name);
    const database = new BetterSqlite(path);
    database.prepare('update namespaces set horizon = 3').run();
    database.close();
    await expect(drive.changes(2 as Cursor)).rejects.toMatchObject({ code: 'gone' });
    await expect(drive.paths({ cursor: 2 as Cursor })).rejects.toMatchObject({ code: 'gone' });
    expect((await drive.changes(3 as Cursor)).map(({ cursor }) => cursor)).toEqual([4]);
  });

  it('names what is wrong with a database it cannot open', async () => {
    const path = await databaseFile();
    await writeFile(
      path,
      'this is no database, but some text that is long enough to be taken for its header'.repeat(20),
    );
    await expect(open(`sqlite:${path}`)).rejects.toMatchObject({ code: 'corrupt' });
    await expect(open(`sqlite:${path}/no/such/folder`)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(open('mysql://x')).rejects.toMatchObject({ code: 'invalidArgument' });
    await expect(open('postgres:///db?host=/nonexistent')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('finds every row by an index, never by reading a table', async () => {
    const statements = new Set<string>();
    const drive = await openDrive(sqliteInMemory, { onStatement: (text) => statements.add(text) });
    const bob = await drive.invite('Bob', 'write');
    const { inode, version } = await drive.makeFile('a', 'one');
    const place = { parent: drive.root, name: 'a' };
    const at = { cursor: 2 as Cursor };
    statements.clear();
    for (const when of [undefined, at]) {
      await drive.tree.lookup(drive.namespace, place, when);
      await drive.tree.resolve(drive.namespace, ['a'], when);
      await drive.tree.list(drive.namespace, drive.root, { after: 'A' }, when);
    }
    await drive.tree.versions(drive.namespace, place);
    await drive.tree.manifest(drive.namespace, inode, version);
    for (const after of [0, 1]) await drive.changes(after as Cursor);
    const docs = await drive.makeFolder('docs');
    const edit = { type: 'content', inode, base: version, mtimeNs: 1n, ctimeNs: 1n } as const;
    await drive.commit({ type: 'move', inode, from: place, to: { parent: docs, name: 'a' } });
    await bob.commit({ ...edit, manifest: await bob.upload('two') });
    await bob.commit({ ...edit, manifest: await bob.upload('three') });
    await drive.commit({
      type: 'unlink',
      inode: docs,
      parent: drive.root,
      name: 'docs',
      base: version,
      recursive: true,
    });
    await drive.commit({ ...edit, manifest: await drive.upload('four') });
    const lock = { path: ['a'], deep: true, exclusive: true, owner: '', durationMs: 1_000 };
    await drive.store.leases.acquire(drive.caller, drive.namespace, lock);
    await drive.store.leases.covering(drive.caller, drive.namespace, ['a'], true);
    expect(statements.size).toBeGreaterThan(30);
    const path = await databaseFile();
    await openFile(path);
    const database = new BetterSqlite(path);
    onTestFinished(() => {
      database.close();
    });
    for (const statement of statements) {
      if (!/^(with|select|insert|update|delete)/.test(statement)) continue;
      const plan = database.prepare<unknown[], { detail: string }>(`explain query plan ${statement}`);
      const parameters = new Array<string>((statement.match(/\?/g) ?? []).length).fill('[]');
      const scans = plan
        .all(...parameters)
        .filter(({ detail }) => /^SCAN (?!json_each|\w+ VIRTUAL|CONSTANT|walk|up|wanted)/.test(detail));
      expect(scans, statement).toEqual([]);
    }
  });
});
