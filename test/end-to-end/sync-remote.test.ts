import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TcpProxy } from '../faults/tcp-proxy.ts';
import { openAdasStand, password } from './adas-stand.ts';
import { davGet } from './dav-fetch.ts';
import { eventually } from './eventually.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

/** Of the system call, as proc_pid_syscall(5) tells it. */
const fsyncNumber = process.arch === 'arm64' ? '82' : '74';

describe.skipIf(skipLoudly('fsync to the server', whyNoMount()))('fsync on a mount with --sync remote', () => {
  let stand: Stand;
  let line: TcpProxy;
  let a: Device;

  beforeAll(async () => {
    ({ stand, a, line } = await openAdasStand({ a: 'byLine' }, '--sync', 'remote'));
  });

  afterAll(() => stand?.close());

  test('returns once the server has the bytes, with the file still open', async () => {
    const content = randomBytes(3_000_000);
    const file = await open(a.path('ledger.bin'), 'w');
    try {
      await file.write(content);
      await file.sync();
      const got = await davGet(stand.url, 'ada', password, 'ledger.bin');
      expect(got.status).toBe(200);
      expect(got.body.equals(content)).toBe(true);
    } finally {
      await file.close();
    }
  }, 60_000);

  test('waits for a server that is away', async () => {
    line.cut();
    await eventually(async () => expect((await a.status()).connected).toBe(false));
    const file = await open(a.path('late.txt'), 'w');
    try {
      await file.write('late');
      let isBack = false;
      const syncedWhile = file.sync().then(() => isBack);
      expect((await a.status()).dirtyEntries).toBeGreaterThan(0);
      isBack = true;
      line.heal();
      expect(await syncedWhile).toBe(true);
      expect((await davGet(stand.url, 'ada', password, 'late.txt')).body.toString()).toBe('late');
    } finally {
      await file.close();
    }
  }, 120_000);

  test('gives up with ETIMEDOUT when the server stays away, and the file goes up later all the same', async () => {
    await a.unmount();
    await a.mount('--sync', 'remote', '--sync-timeout', '1.5');
    line.cut();
    await eventually(async () => expect((await a.status()).connected).toBe(false));
    const file = await open(a.path('kept.txt'), 'w');
    try {
      await file.write('kept');
      const startMs = performance.now();
      await expect(file.sync()).rejects.toMatchObject({ code: 'ETIMEDOUT' });
      expect(performance.now() - startMs).toBeGreaterThan(1_400);
      expect((await a.status()).dirtyEntries).toBeGreaterThan(0);
      line.heal();
      await a.drain(60);
      expect((await davGet(stand.url, 'ada', password, 'kept.txt')).body.toString()).toBe('kept');
    } finally {
      line.heal();
      await file.close();
    }
  }, 120_000);

  test('can be interrupted while it waits', async () => {
    line.cut();
    await eventually(async () => expect((await a.status()).connected).toBe(false));
    const child = spawn('dd', ['if=/dev/zero', `of=${a.path('stopped.bin')}`, 'bs=4k', 'count=1', 'conv=fsync']);
    try {
      await eventually(async () => {
        expect((await readFile(`/proc/${child.pid}/syscall`, 'utf8')).split(' ')[0]).toBe(fsyncNumber);
      });
      const ended = once(child, 'exit');
      const startMs = performance.now();
      child.kill('SIGINT');
      expect((await ended)[1]).toBe('SIGINT');
      expect(performance.now() - startMs).toBeLessThan(1_000);
    } finally {
      child.kill('SIGKILL');
      line.heal();
    }
  }, 120_000);
});
