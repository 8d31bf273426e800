import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand, password } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { holdfast } from './process.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

/** User and system time of a process, in clock ticks of 10 ms (proc(5), fields 14 and 15 of `stat`). */
const ticksOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
};

describe.skipIf(skipLoudly('a revoked login', whyNoMount()))('a mount whose login was revoked', () => {
  let stand: Stand;
  let a: Device;

  beforeAll(async () => {
    ({ stand, a } = await openAdasStand({ a: 'direct' }));
  });

  afterAll(() => stand?.close());

  test('says so, keeps its changes without spinning, and uploads them after a new login', async () => {
    await writeFile(a.path('before.txt'), 'before');
    await a.drain();
    await stand.server.end();
    const database = new Database(join(stand.directory, 'data', 'metadata.db'));
    database.prepare('delete from devices').run();
    database.close();
    await stand.startServer();

    await writeFile(a.path('after.txt'), 'after');
    await eventually(async () => expect((await a.status()).lastError).toMatch(/unauthenticated.*log in/));
    expect((await a.status()).dirtyEntries).toBeGreaterThan(0);
    await expect(holdfast(a.home, ['drain', '--timeout', '1'])).rejects.toThrow(/ended with 75[^]*log in/);

    const before = ticksOf(a.process.child.pid ?? 0);
    const watchedMs = 3_000;
    await new Promise((resolve) => setTimeout(resolve, watchedMs)); // what is measured is this time
    const busyMs = (ticksOf(a.process.child.pid ?? 0) - before) * 10;
    expect(busyMs).toBeLessThan(watchedMs / 5);

    await a.unmount();
    await holdfast(a.home, ['login', stand.url, '--user', 'ada'], `${password}\n`);
    await a.mount();
    expect(await readFile(a.path('after.txt'), 'utf8')).toBe('after');
    await a.drain(60);
    expect((await a.status()).lastError).toBeNull();
  }, 120_000);
});
