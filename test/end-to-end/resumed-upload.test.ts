import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TcpProxy } from '../faults/tcp-proxy.ts';
import { openAdasStand, password } from './adas-stand.ts';
import { davGet } from './dav-fetch.ts';
import { eventually } from './eventually.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';
import { hashFile, writeRandomFile } from './tree-facts.ts';

const fileBytes = 80_000_000;
/** A mount sends two requests of 16 MiB at a time. */
const underWayBytesMax = 2 * 16 * 1024 * 1024;
/** All requests that are not about blocks, and what HTTP and frames add. */
const otherBytesMax = 2_000_000;

describe.skipIf(skipLoudly('resumed uploads', whyNoMount()))(
  'kill -9 of a mount in the middle of a large upload',
  () => {
    let stand: Stand;
    let line: TcpProxy;
    let a: Device;

    beforeAll(async () => {
      ({ stand, a, line } = await openAdasStand({ a: 'byLine' }));
    });

    afterAll(() => stand?.close());

    test('sends no block again that the server has taken', async () => {
      const stalled = line.stallAfter(fileBytes / 2);
      await writeRandomFile(a.path('film.bin'), fileBytes, 7);
      await stalled;
      const before = await eventually(async () => {
        const status = await a.status();
        expect(status.uploadedBytes).toBeGreaterThan(0);
        return status;
      });
      await a.kill();
      line.endStall();
      await a.mount();
      await a.drain(120);
      const { uploadedBytes, uploadedBlocks } = await a.status();
      expect(before.uploadedBytes + uploadedBytes).toBeLessThanOrEqual(fileBytes);
      expect(uploadedBlocks).toBeGreaterThan(0);
      expect(line.forwardedBytes).toBeLessThan(fileBytes + underWayBytesMax + otherBytesMax);
      const { body } = await davGet(stand.url, 'ada', password, 'film.bin');
      expect(createHash('sha256').update(body).digest('hex')).toBe(await hashFile(a.path('film.bin')));
    }, 240_000);
  },
);
