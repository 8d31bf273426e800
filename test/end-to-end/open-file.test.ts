import { open } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand, password } from './adas-stand.ts';
import { davGet } from './dav-fetch.ts';
import { eventually } from './eventually.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

describe.skipIf(skipLoudly('files that stay open', whyNoMount()))('a file that a program keeps open', () => {
  let stand: Stand;
  let a: Device;

  beforeAll(async () => {
    ({ stand, a } = await openAdasStand({ a: 'direct' }));
  });

  afterAll(() => stand?.close());

  const onServer = async (name: string) => (await davGet(stand.url, 'ada', password, name)).body.toString();

  test('reaches the server when nothing is written to it for a while', async () => {
    const file = await open(a.path('notes.txt'), 'w');
    try {
      await file.write('still open');
      await eventually(async () => expect(await onServer('notes.txt')).toBe('still open'));
    } finally {
      await file.close();
    }
  }, 60_000);

  test('reaches the server although it is written to without pause', async () => {
    const file = await open(a.path('log.txt'), 'a');
    try {
      await eventually(async () => {
        await file.write('one more line\n');
        expect(await onServer('log.txt')).toMatch(/^(one more line\n)+$/);
      });
    } finally {
      await file.close();
    }
  }, 60_000);
});
