import { readFile, readdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TcpProxy } from '../faults/tcp-proxy.ts';
import { openAdasStand } from './adas-stand.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';
import { eventually } from './eventually.ts';

describe.skipIf(skipLoudly('edits while cut off', whyNoMount()))('two mounts edit one file while B is cut off', () => {
  let stand: Stand;
  let line: TcpProxy;
  let a: Device;
  let b: Device;

  beforeAll(async () => {
    ({ stand, a, b, line } = await openAdasStand({ a: 'direct', b: 'byLine' }));
  });

  afterAll(() => stand?.close());

  test('both contents exist on both mounts afterwards, one as a conflicted copy, and the status says so', async () => {
    await writeFile(a.path('report.txt'), 'first');
    await a.drain();
    await eventually(async () => expect(await readFile(b.path('report.txt'), 'utf8')).toBe('first'));

    line.cut();
    await eventually(async () => expect((await b.status()).connected).toBe(false));
    await writeFile(a.path('report.txt'), 'from a');
    await a.drain();
    await writeFile(b.path('report.txt'), 'from b');
    expect(await readFile(b.path('report.txt'), 'utf8')).toBe('from b');
    expect((await b.status()).dirtyEntries).toBeGreaterThan(0);

    line.heal();
    await b.drain(60);
    for (const device of [a, b]) {
      await eventually(async () => {
        const names = await readdir(device.mountpoint);
        expect(names).toHaveLength(2);
        const copy = names.find((name) => name !== 'report.txt') ?? '';
        expect(copy).toMatch(/^report \(ada's conflicted copy \d{4}-\d{2}-\d{2}\)\.txt$/);
        expect(await readFile(device.path('report.txt'), 'utf8')).toBe('from a');
        expect(await readFile(device.path(copy), 'utf8')).toBe('from b');
      });
    }
    expect((await b.status()).conflicts).toBe(1);
    expect((await b.status()).dirtyEntries).toBe(0);
  });
});
