import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodes } from '../../cli/exit-codes.ts';
import type { TcpProxy } from '../faults/tcp-proxy.ts';
import { openAdasStand } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { program, holdfast, runCommand } from './process.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

const mib = 1024 * 1024;

/** Drops what the kernel has of a file, so that reading it asks the mount. */
function forgetPages(path: string): void {
  execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' });
}

describe.skipIf(skipLoudly('pins', whyNoMount()))('on a machine that has pinned a folder', () => {
  let stand: Stand;
  let line: TcpProxy;
  let a: Device;
  let b: Device;

  beforeAll(async () => {
    ({ stand, line, a, b } = await openAdasStand({ a: 'direct', b: 'byLine' }, '--io-timeout', '1'));
  }, 60_000);

  afterAll(() => stand?.close());

  const run = (...args: string[]) =>
    runCommand(program, args, {
      environment: { HOME: b.home, XDG_STATE_HOME: '', XDG_DATA_HOME: '', XDG_CONFIG_HOME: '' },
    });

  const offline = async (action: () => Promise<void>): Promise<void> => {
    line.cut();
    try {
      await action();
    } finally {
      line.heal();
    }
  };

  test('all that is in it is there without the server, also what changes in it and what comes into it later', async () => {
    const bytes = randomBytes(3 * mib);
    await mkdir(a.path('travel', 'maps'), { recursive: true });
    await writeFile(a.path('travel', 'maps', 'city.bin'), bytes);
    await writeFile(a.path('elsewhere.bin'), randomBytes(mib));
    await a.drain();
    await eventually(async () => expect((await readFile(b.path('elsewhere.bin'))).length).toBe(mib));

    await holdfast(b.home, ['pin', b.path('travel')]);
    expect((await b.status()).pinnedBytes).toBe(3 * mib);
    await offline(async () => {
      expect(Buffer.compare(await readFile(b.path('travel', 'maps', 'city.bin')), bytes)).toBe(0);
    });

    const next = randomBytes(2 * mib);
    const added = randomBytes(mib);
    const { hydratedBytes } = await b.status();
    await writeFile(a.path('travel', 'maps', 'city.bin'), next);
    await writeFile(a.path('travel', 'added.bin'), added);
    await a.drain();
    await eventually(async () => expect((await b.status()).hydratedBytes).toBe(hydratedBytes + 3 * mib));
    await offline(async () => {
      expect(Buffer.compare(await readFile(b.path('travel', 'maps', 'city.bin')), next)).toBe(0);
      expect(Buffer.compare(await readFile(b.path('travel', 'added.bin')), added)).toBe(0);
    });
  }, 120_000);

  test('nothing of it is evicted, also after a restart, until it is unpinned; then it is, and comes back when it is read', async () => {
    const place = b.path('travel', 'maps', 'city.bin');
    const bytes = await readFile(place);
    await b.unmount();
    await b.mount('--cache-size', '1MiB', '--io-timeout', '1');
    const refused = await run('evict', place);
    expect([refused.code, refused.stderr]).toEqual([exitCodes.badInput, expect.stringContaining('unpin')]);
    await holdfast(b.home, ['evict', b.path('elsewhere.bin')]);
    await offline(async () => expect(Buffer.compare(await readFile(place), bytes)).toBe(0));

    expect((await run('unpin', place)).code).toBe(exitCodes.badInput);
    await holdfast(b.home, ['unpin', b.path('travel')]);
    await eventually(async () => expect((await b.status()).cachedBytes).toBeLessThanOrEqual(mib));
    expect((await run('unpin', b.path('travel'))).code).toBe(exitCodes.notFound);
    await holdfast(b.home, ['evict', b.mountpoint]);
    expect((await b.status()).cachedBytes).toBe(0);
    forgetPages(place);
    await offline(async () => {
      await expect(readFile(place)).rejects.toThrow(/EIO|EHOSTUNREACH/);
    });
    await eventually(async () => expect(Buffer.compare(await readFile(place), bytes)).toBe(0));
  }, 120_000);

  test('an eviction leaves what is not uploaded, and says so', async () => {
    await offline(async () => {
      await writeFile(b.path('draft.txt'), 'not yet on the server');
      const evicted = await run('evict', b.path('draft.txt'));
      expect([evicted.code, evicted.stdout]).toEqual([exitCodes.ok, 'freed 0 B\n']);
      expect(evicted.stderr).toContain('not uploaded');
      forgetPages(b.path('draft.txt'));
      expect(await readFile(b.path('draft.txt'), 'utf8')).toBe('not yet on the server');
    });
    await eventually(() => b.drain(5));
    expect((await run('evict', b.path('nothing'))).code).toBe(exitCodes.notFound);
    expect((await run('pin', '/')).code).toBe(exitCodes.notFound);
  }, 120_000);

  test('what waits too long for a pin is told so, and is pinned all the same', async () => {
    const bytes = randomBytes(2 * mib);
    await writeFile(a.path('late.bin'), bytes);
    await a.drain();
    await eventually(async () => expect((await readFile(b.path('late.bin'))).length).toBe(2 * mib));
    await holdfast(b.home, ['evict', b.path('late.bin')]);
    await offline(async () => {
      const pinned = await run('pin', b.path('late.bin'), '--timeout', '1');
      expect([exitCodes.tryAgain, exitCodes.unavailable]).toContain(pinned.code);
      expect(pinned.stderr).toContain('fetching goes on');
    });
    await eventually(async () => expect((await b.status()).cachedBytes).toBeGreaterThanOrEqual(2 * mib));
    await rename(b.path('late.bin'), b.path('renamed.bin'));
    await link(b.path('renamed.bin'), join(b.path('travel'), 'linked.bin'));
    expect((await run('evict', join(b.path('travel'), 'linked.bin'))).code).toBe(exitCodes.badInput);
  }, 120_000);
});
