import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { open, readFile, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Stand, type Device } from './stand.ts';
import type { TcpProxy } from '../faults/tcp-proxy.ts';
import { password } from './adas-stand.ts';
import { davGet } from './dav-fetch.ts';
import { holdfast } from './process.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';

const mib = 1024 * 1024;
const notRoot = process.getuid?.() === 0 ? undefined : 'a small disk can only be mounted as root';

describe.skipIf(skipLoudly('a full disk', whyNoMount(), notRoot))('when the local disk of a mount is full', () => {
  let disk: string;
  let stand: Stand;
  let line: TcpProxy;
  let a: Device;
  beforeEach(async () => {
    disk = mkdtempSync(join(tmpdir(), 'holdfast-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=0700', 'holdfast-test', disk]);
    stand = await Stand.open();
    await stand.addUser('ada', password);
    line = await stand.openLine();
    a = await stand.device('ada', password, 'a', line.url);
    await a.mount('--cache', disk, '--io-timeout', '2');
  }, 60_000);
  afterEach(async () => {
    await stand?.close();
    execFileSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true });
  });

  /** Writes files of 1 MiB, each with fsync, until the disk is full; returns what was fsynced. */
  const fill = async (): Promise<Map<string, Buffer>> => {
    const written = new Map<string, Buffer>();
    for (let count = 0; count < 100; count += 1) {
      const bytes = randomBytes(mib);
      try {
        const file = await open(a.path(`file-${count}`), 'w');
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' });
        return written;
      }
      written.set(`file-${count}`, bytes);
    }
    throw new Error('the disk is larger than it should be');
  };

  const expectIntact = async (written: Map<string, Buffer>): Promise<void> => {
    for (const [name, bytes] of written) expect(Buffer.compare(await readFile(a.path(name)), bytes), name).toBe(0);
  };

  test('a writer is told, what was fsynced is intact, also after a kill, and goes up when the server is back', async () => {
    line.cut();
    const written = await fill();
    expect(written.size).toBeGreaterThan(30);
    await expectIntact(written);
    await a.kill();
    await a.mount('--cache', disk, '--io-timeout', '2');
    await expectIntact(written);
    line.heal();
    await a.drain(60);
    for (const [name, bytes] of written) {
      expect(Buffer.compare((await davGet(stand.url, 'ada', password, name)).body, bytes), name).toBe(0);
    }
    // What is uploaded gives its room to what is written next.
    const more = randomBytes(20 * mib);
    await writeFile(a.path('more'), more);
    await a.drain(60);
    expect(Buffer.compare((await davGet(stand.url, 'ada', password, 'more')).body, more)).toBe(0);
    await expectIntact(written);
  }, 180_000);

  test('an eviction makes room while the disk is full', async () => {
    await writeFile(a.path('old'), randomBytes(30 * mib));
    await a.drain();
    await holdfast(a.home, ['pin', a.path('old')]);
    line.cut();
    const written = await fill();
    expect(written.size).toBeLessThan(34);
    await holdfast(a.home, ['unpin', a.path('old')]);
    await holdfast(a.home, ['evict', a.path('old')]);
    const { bavail, bsize } = await statfs(disk);
    expect(bavail * bsize).toBeGreaterThan(25 * mib);
    await writeFile(a.path('new'), randomBytes(10 * mib));
    await expectIntact(written);
    line.heal();
    await a.drain(60);
  }, 180_000);
});
