import { mkdir, readFile, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand, password } from './adas-stand.ts';
import { davGet } from './dav-fetch.ts';
import { eventually } from './eventually.ts';
import { holdfast } from './process.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

describe.skipIf(skipLoudly('a mount without its server', whyNoMount()))('a mount whose server is away', () => {
  let stand: Stand;
  let a: Device;

  beforeAll(async () => {
    ({ stand, a } = await openAdasStand({ a: 'direct' }));
    await mkdir(a.path('folder'));
    await writeFile(a.path('folder', 'before.txt'), 'written before');
    await a.drain();
    await a.unmount();
    await stand.server.end('SIGTERM');
  });

  afterAll(() => stand?.close());

  test('starts, works, is stopped and starts again, and uploads when the server is back', async () => {
    await a.mount();
    expect(await readFile(a.path('folder', 'before.txt'), 'utf8')).toBe('written before');
    await rename(a.path('folder', 'before.txt'), a.path('moved.txt'));
    await writeFile(a.path('folder', 'new.txt'), 'written without the server');
    await holdfast(a.home, ['unmount', a.mountpoint, '--force']);
    await a.mount();
    expect((await readdir(a.mountpoint)).sort()).toEqual(['folder', 'moved.txt']);
    expect(await readFile(a.path('folder', 'new.txt'), 'utf8')).toBe('written without the server');
    await eventually(async () => expect(await a.status()).toMatchObject({ connected: false }));
    expect((await a.status()).dirtyEntries).toBeGreaterThan(0);

    const late = holdfast(a.home, ['drain', a.mountpoint, '--timeout', '1']);
    await expect(late).rejects.toThrow(/ended with 75[^]*changes are not uploaded yet .*; they are kept/);

    await stand.startServer();
    await a.drain(60);
    const onServer = async (path: string) => (await davGet(stand.url, 'ada', password, path)).body.toString();
    expect(await onServer('moved.txt')).toBe('written before');
    expect(await onServer('folder/new.txt')).toBe('written without the server');
    expect((await davGet(stand.url, 'ada', password, 'folder/before.txt')).status).toBe(404);
  }, 120_000);

  test('keeps what it keeps to its user: login, replica, contents', async () => {
    const openToOthers = async (path: string) => ((await stat(path)).mode & 0o077) !== 0;
    expect(await openToOthers(join(a.home, '.config', 'holdfast', 'logins.json'))).toBe(false);
    const mounts = join(a.home, '.local', 'state', 'holdfast', 'mounts');
    const caches = (await readdir(mounts, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    expect(caches).toHaveLength(1);
    for (const { name } of caches) {
      expect(await openToOthers(join(mounts, name))).toBe(false);
      expect(await readdir(join(mounts, name))).toEqual(expect.arrayContaining(['content', 'replica.db']));
    }
    const server = join(stand.directory, 'data');
    for (const path of [server, join(server, 'master-keys.json'), join(server, 'packs')]) {
      expect([path, await openToOthers(path)]).toEqual([path, false]);
    }
  });
});
