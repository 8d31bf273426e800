import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMetadata } from '../../../metadata/open.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import type { Metadata } from '../../../protocol/metadata.ts';
import type { MetadataStore } from '../../../protocol/metadata-store.ts';
import { rootInodeOf } from '../../../protocol/ids.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { SimulatedBlocks } from '../../simulation/simulated-blocks.ts';
import { SimulatedClient } from '../../simulation/simulated-client.ts';
import type { SimulatedServer } from '../../simulation/simulated-client.ts';
import { VirtualTime } from '../../simulation/virtual-time.ts';

let directory: string;
let time: VirtualTime;
let server: SimulatedServer;
let client: SimulatedClient;
/** Commits that reached the server, and those of them that it refused. */
let asked: number;
let refused: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-refused-'));
  time = new VirtualTime();
  [asked, refused] = [0, 0];
  const random = new SeededRandom(1);
  const options = { passwordCost: 2 };
  const url = `sqlite:${join(directory, 'metadata.db')}`;
  const store = await openMetadata(url, { clock: time, randomness: random.fork() }, options);
  const { namespace } = await store.accounts.createUser('ada', 'a password of no worth');
  const caller = await store.accounts.verifyPassword('ada', 'a password of no worth');
  const blocks = new SimulatedBlocks(store, { clock: time, randomness: random.fork() });
  server = { store, blocks, caller, namespace };
  client = new SimulatedClient('ada', { ...server, store: counted(store) }, time, random.fork());
  await after(1_000);
});

afterEach(async () => {
  await time.run(client.stop());
  await server.store.close();
  await rm(directory, { recursive: true, force: true });
});

function counted(store: MetadataStore): MetadataStore {
  const commitOf =
    (metadata: Metadata): Metadata['commit'] =>
    async (...request) => {
      asked += 1;
      try {
        return await metadata.commit(...request);
      } catch (error) {
        refused += 1;
        throw error;
      }
    };
  const as: MetadataStore['as'] = (caller) => {
    const metadata = store.as(caller);
    return new Proxy(metadata, {
      get: (target, name) => {
        if (name === 'commit') return commitOf(target);
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };
  return new Proxy(store, {
    get: (target, name) => (name === 'as' ? as : (Reflect.get(target, name) as unknown)),
  });
}

function inDatabase(change: string, ...values: (number | null | string)[]): void {
  const database = new Database(join(directory, 'metadata.db'));
  database.prepare(change).run(...values);
  database.close();
}

const setQuota = (bytes: number | null) => inDatabase('update namespaces set quota_bytes = ?', bytes);
const setRole = (role: string) => inDatabase('update grants set role = ?', role);
const after = (ms: number) => time.run(time.sleep(ms));

function write(name: string, size: number, parent = rootIno): Ino {
  const inode = { kind: 'file', mode: 0o644, uid: 1, gid: 1, rdev: 0, target: null } as const;
  const found = client.replica.lookup(parent, name) ?? client.replica.create(parent, name, inode, time.nowNs());
  client.content.truncate(found.ino, 0, time.nowNs());
  client.content.write(found.ino, 0, randomBytes(size), time.nowNs());
  client.engine.contentClosed(found.ino);
  return found.ino;
}

function makeFolder(name: string): Ino {
  const inode = { kind: 'directory', mode: 0o755, uid: 1, gid: 1, rdev: 0, target: null } as const;
  const { ino } = client.replica.create(rootIno, name, inode, time.nowNs());
  client.engine.changed();
  return ino;
}

function remove(name: string): void {
  const { ino } = client.replica.unlink(rootIno, name, time.nowNs());
  client.content.forget(ino);
  client.engine.changed();
}

function rename(from: string, to: string): void {
  client.replica.rename({ parent: rootIno, name: from }, { parent: rootIno, name: to }, 'replace', time.nowNs());
  client.engine.changed();
}

/** Names and sizes on the server, `/` after those of folders. */
async function onServer(): Promise<string[]> {
  const { namespace, caller, store } = server;
  const { entries } = await store.as(caller).list(namespace, rootInodeOf(namespace), {});
  return entries.map(({ name, state }) => (state.kind === 'file' ? `${name} ${state.size}` : `${name}/`)).sort();
}

const lastError = () => client.engine.status().lastError ?? '';

test('a file beyond the quota keeps no other change from the server, and is named', async () => {
  write('old', 40_000);
  await time.run(client.engine.drain(60_000));
  setQuota(100_000);
  write('big', 70_000);
  makeFolder('folder');
  write('small', 1_000);
  rename('old', 'older');
  await after(5_000);
  expect(await onServer()).toEqual(['folder/', 'older 40000', 'small 1000']);
  expect(lastError()).toMatch(/^quotaExceeded: .*full.*\/big/);
  expect(lastError()).not.toMatch(/small|older/);
  expect(client.engine.status().dirtyEntries).toBeGreaterThan(0);
  const refusedBefore = refused;
  await after(120_000);
  expect(refused - refusedBefore).toBeGreaterThan(0);
  expect(refused - refusedBefore).toBeLessThan(6);
});

test('the removal of an older file goes through, and the space it frees is used at once', async () => {
  write('old', 40_000);
  await time.run(client.engine.drain(60_000));
  setQuota(100_000);
  write('big', 70_000);
  await after(2_000);
  expect(await onServer()).toEqual(['old 40000']);
  remove('old');
  await after(2_000);
  expect(await onServer()).toEqual(['big 70000']);
  expect(client.engine.status()).toMatchObject({ lastError: null, dirtyEntries: 0 });
});

test('what is held back goes when the quota grows, after the next try', async () => {
  setQuota(50_000);
  for (const name of ['one', 'two', 'three']) write(name, 60_000);
  await after(10_000);
  expect(await onServer()).toEqual([]);
  expect(lastError()).toMatch(/\/one.*\/two.*\/three/);
  setQuota(null);
  await time.run(client.engine.drain(60_000));
  expect(await onServer()).toEqual(['one 60000', 'three 60000', 'two 60000']);
  expect(lastError()).toBe('');
});

test('what is held back goes at once when it is made smaller', async () => {
  setQuota(50_000);
  write('big', 60_000);
  await after(5_000);
  expect(lastError()).toContain('/big');
  write('big', 20_000);
  await after(2_000);
  expect(await onServer()).toEqual(['big 20000']);
  expect(lastError()).toBe('');
});

test('what depends on a file that is held back waits with it, and no more', async () => {
  write('report', 1_000);
  const folder = makeFolder('folder');
  write('inside', 1_000, folder);
  await time.run(client.engine.drain(60_000));
  setQuota(50_000);
  // A file saved as editors do: the old one must not go before the new one can come.
  write('report.new', 60_000);
  rename('report.new', 'report');
  write('after', 2_000);
  await after(5_000);
  expect(await onServer()).toEqual(['after 2000', 'folder/', 'report 1000']);
  expect(client.replica.lookup(rootIno, 'report')?.size).toBe(60_000);
  expect(lastError()).toContain('/report');
  setQuota(null);
  await time.run(client.engine.drain(60_000));
  expect(await onServer()).toEqual(['after 2000', 'folder/', 'report 60000']);
});

test('a mount that may not write any more does not press the server, and loses nothing', async () => {
  write('first', 1_000);
  await time.run(client.engine.drain(60_000));
  setRole('read');
  for (let at = 0; at < 40; at += 1) write(`file ${at}`, 100);
  remove('first');
  await after(60_000);
  const before = asked;
  await after(300_000);
  expect(asked - before).toBeLessThan(60);
  expect(lastError()).toMatch(/^forbidden: /);
  setRole('owner');
  await time.run(client.engine.drain(120_000));
  expect(await onServer()).toHaveLength(40);
  expect(lastError()).toBe('');
});

test('a mount that is ended meanwhile goes on as before', async () => {
  setQuota(50_000);
  write('big', 60_000);
  await after(5_000);
  client.killAndRestart();
  write('small', 1_000);
  await after(5_000);
  expect(await onServer()).toEqual(['small 1000']);
  setQuota(null);
  await time.run(client.engine.drain(60_000));
  expect(await onServer()).toEqual(['big 60000', 'small 1000']);
});
