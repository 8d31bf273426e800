import { randomBytes } from 'node:crypto';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand, password } from './adas-stand.ts';
import { davGet } from './dav-fetch.ts';
import { eventually } from './eventually.ts';
import { holdfast } from './process.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

describe.skipIf(skipLoudly('a drive with a quota', whyNoMount()))('a mount of a drive that is full', () => {
  let stand: Stand;
  let a: Device;

  beforeAll(async () => {
    ({ stand, a } = await openAdasStand({ a: 'direct' }));
    await writeFile(a.path('kept.bin'), randomBytes(100_000));
    await writeFile(a.path('old.bin'), randomBytes(600_000));
    await a.drain();
    const database = new Database(join(stand.directory, 'data', 'metadata.db'));
    database.prepare('update namespaces set quota_bytes = 1000000').run();
    database.close();
  });

  afterAll(() => stand?.close());

  const statusOf = async (path: string) => (await davGet(stand.url, 'ada', password, path)).status;

  test('sends what fits, names what does not, and sends that once there is space', async () => {
    const big = randomBytes(800_000);
    await writeFile(a.path('big.bin'), big);
    await eventually(async () => {
      const { lastError } = await a.status();
      expect(lastError).toMatch(/^quotaExceeded: .*\/big\.bin/);
    });
    expect(await holdfast(a.home, ['status'])).toContain('/big.bin');
    await writeFile(a.path('small.txt'), 'small');
    await eventually(async () => expect(await statusOf('small.txt')).toBe(200));
    expect([await statusOf('big.bin'), await statusOf('old.bin')]).toEqual([404, 200]);
    expect((await a.status()).dirtyEntries).toBeGreaterThan(0);

    await rm(a.path('old.bin'));
    await a.drain(20); // less than the time after which it would be tried again anyway
    expect(await statusOf('old.bin')).toBe(404);
    const got = await davGet(stand.url, 'ada', password, 'big.bin');
    expect([got.status, got.body.equals(big)]).toEqual([200, true]);
    expect(await a.status()).toMatchObject({ dirtyEntries: 0, lastError: null });
  }, 120_000);

  test('shows its quota as its size, and what is left of it as free', async () => {
    const b = await stand.device('ada', password, 'b');
    await b.mount();
    const { blocks, bfree, bavail, bsize } = await statfs(b.mountpoint);
    expect(Math.abs(blocks * bsize - 1_000_000)).toBeLessThan(2 * bsize);
    expect([bfree, bavail]).toEqual([Math.floor((1_000_000 - 900_005) / bsize), bfree]);
    await b.unmount();
  }, 60_000);
});
