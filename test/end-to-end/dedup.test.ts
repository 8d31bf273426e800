import { copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand, password } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';
import { hashFile, writeRandomFile } from './tree-facts.ts';

const fileBytes = 20_000_000;

describe.skipIf(skipLoudly('deduplication', whyNoMount()))('bytes that the server has', () => {
  let stand: Stand;
  let a: Device;

  beforeAll(async () => {
    ({ stand, a } = await openAdasStand({ a: 'direct' }));
    await stand.addUser('bob', 'another long password');
    await writeRandomFile(a.path('film.bin'), fileBytes, 3);
    await a.drain();
  });

  afterAll(() => stand?.close());

  async function storedBytes(): Promise<number> {
    const packs = join(stand.directory, 'data', 'packs');
    const names = await readdir(packs, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile());
    const sizes = await Promise.all(files.map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  test('are not sent again by a user who has them in the drive', async () => {
    const before = await a.status();
    await mkdir(a.path('copy'));
    await copyFile(a.path('film.bin'), a.path('copy', 'film.bin'));
    await a.drain();
    const after = await a.status();
    expect(after.uploadedBlocks - before.uploadedBlocks).toBe(0);
    expect(after.cursor).toBeGreaterThan(before.cursor);
  }, 60_000);

  test('are not fetched for a copy that is made where they are not', async () => {
    const c = await stand.device('ada', password, 'c');
    await c.mount();
    await copyFile(c.path('film.bin'), c.path('far copy.bin'));
    await c.drain();
    const status = await c.status();
    expect(status.uploadedBlocks).toBe(0);
    // To learn which blocks there are, the first of them are asked for.
    expect(status.hydratedBytes).toBeLessThan(fileBytes / 4);
    expect((await stat(a.path('film.bin'))).size).toBe(fileBytes);
    await eventually(async () => expect((await stat(a.path('far copy.bin'))).size).toBe(fileBytes));
    expect(await hashFile(a.path('far copy.bin'))).toBe(await hashFile(a.path('film.bin')));
    await c.unmount();
  }, 60_000);

  test('are sent by a user who has not shown them yet, and stored once all the same', async () => {
    const before = await storedBytes();
    expect(before).toBeGreaterThan(fileBytes);
    const b = await stand.device('bob', 'another long password', 'b');
    await b.mount();
    await writeRandomFile(b.path('same.bin'), fileBytes, 3);
    await b.drain();
    expect((await b.status()).uploadedBytes).toBe(fileBytes);
    expect(await storedBytes()).toBe(before);
    expect(await hashFile(b.path('same.bin'))).toBe(await hashFile(a.path('film.bin')));
  }, 60_000);
});
