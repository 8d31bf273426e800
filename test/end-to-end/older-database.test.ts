import { randomBytes } from 'node:crypto';
import { appendFile, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand, password } from './adas-stand.ts';
import { davGet } from './dav-fetch.ts';
import { eventually } from './eventually.ts';
import { HoldfastProcess } from './process.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';
import { diffTrees } from './tree-facts.ts';

const authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`;

/** Contents of one name are all of one length; those of `.bin` have manifests too long to come with the tree. */
function contentOf(name: string, when: 'old' | 'new'): Buffer {
  return name.endsWith('.bin') ? randomBytes(12_000_000) : Buffer.from(`${name}, ${when}`);
}

async function put(url: string, name: string, body: string | Buffer): Promise<void> {
  const options = { method: 'PUT', body: new Uint8Array(Buffer.from(body)), headers: { authorization } };
  const { status } = await fetch(`${url}/dav/ada/${name}`, options);
  expect([201, 204]).toContain(status);
}

/**
 * The mount has read a history that the database, put back from a backup, does not have. By the time they meet the database has one
 * as long, in which the same cursors and versions are others.
 */
describe.skipIf(skipLoudly('an older database', whyNoMount()))(
  'a mount whose server got an older database back',
  () => {
    let stand: Stand;
    let a: Device;
    let backup: string;

    beforeAll(async () => {
      ({ stand, a } = await openAdasStand({ a: 'direct' }));
      backup = join(stand.directory, 'backup.db');
    });

    afterAll(() => stand?.close());

    async function backUp(): Promise<void> {
      const database = new Database(join(stand.directory, 'data', 'metadata.db'), { readonly: true });
      await database.backup(backup);
      database.close();
    }

    /** Puts the backup back, and lets others change the drive before the mount finds its server again. */
    async function putBack(changeMeanwhile: (url: string) => Promise<void>): Promise<void> {
      const file = join(stand.directory, 'data', 'metadata.db');
      for (const ending of ['', '-wal', '-shm']) await rm(file + ending, { force: true });
      await writeFile(file, await readFile(backup), { mode: 0o600 });
      const args = ['serve', ...stand.storageArguments, '--listen', '127.0.0.1:0'];
      const elsewhere = new HoldfastProcess(args, stand.directory);
      try {
        const [, url = ''] = await elsewhere.expect(/listening on (http:\S+)/);
        await changeMeanwhile(url);
      } finally {
        await elsewhere.end('SIGTERM');
      }
      await stand.startServer();
    }

    const onServer = async (name: string) => (await davGet(stand.url, 'ada', password, name)).body;
    const textOnServer = async (name: string) => (await onServer(name)).toString();

    test('shows what the server has, and keeps what was changed here', async () => {
      const small = ['hot.txt', 'edited.txt', 'removed.txt'];
      const big = ['large.bin', 'large-edited.bin'];
      for (const name of [...small, ...big, 'kept.txt', 'unseen.txt']) await put(stand.url, name, `${name}, backed up`);
      await backUp();
      const old = new Map([...small, ...big, 'lost.txt'].map((name) => [name, contentOf(name, 'old')] as const));
      for (const [name, content] of old) await put(stand.url, name, content);
      for (const [name, content] of old) {
        await eventually(async () => expect((await readFile(a.path(name))).equals(content)).toBe(true));
      }
      await stand.server.end('SIGTERM');
      const { cursor } = await a.status();

      for (const name of ['edited.txt', 'large-edited.bin']) await appendFile(a.path(name), ' and mine');
      await writeFile(a.path('made.txt'), 'made here');
      for (const name of ['removed.txt', 'kept.txt']) await rm(a.path(name));
      const now = new Map([...small, ...big].map((name) => [name, contentOf(name, 'new')] as const));
      await putBack(async (url) => {
        for (const [name, content] of now) await put(url, name, content);
        for (const name of ['other.txt', 'another.txt']) await put(url, name, 'of the new history');
      });
      await eventually(async () => expect((await a.status()).connected).toBe(true));
      await a.drain(60);
      expect((await a.status()).cursor).toBeGreaterThan(cursor);

      for (const [name, content] of now) expect([name, (await onServer(name)).equals(content)]).toEqual([name, true]);
      expect(await textOnServer('made.txt')).toBe('made here');
      expect((await davGet(stand.url, 'ada', password, 'kept.txt')).status).toBe(404);
      const all = (await readdir(a.mountpoint)).sort();
      const copies = all.filter((name) => name.includes('conflicted copy'));
      expect(all).toEqual([...now.keys(), ...copies, 'another.txt', 'made.txt', 'other.txt', 'unseen.txt'].sort());
      const mine = ['edited.txt', 'large-edited.bin'].map((name) => `${old.get(name)?.toString('latin1')} and mine`);
      const kept = await Promise.all(copies.map(async (name) => (await onServer(name)).toString('latin1')));
      expect(kept.map((content) => mine.indexOf(content))).toEqual([0, 1]);

      const b = await stand.device('ada', password, 'b');
      await b.mount();
      expect(await diffTrees(a.mountpoint, b.mountpoint)).toBe('');
      for (const [name, content] of now)
        expect([name, (await readFile(a.path(name))).equals(content)]).toEqual([name, true]);
    }, 240_000);
  },
);
