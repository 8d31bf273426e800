import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { holdfast } from './process.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

interface LoggedVersion {
  readonly version: number;
  readonly size: number;
  readonly author: string;
}

describe.skipIf(skipLoudly('versions', whyNoMount()))('the versions of a file', () => {
  let stand: Stand;
  let a: Device;

  beforeAll(async () => {
    ({ stand, a } = await openAdasStand({ a: 'direct' }));
  });

  afterAll(() => stand?.close());

  async function save(content: string): Promise<void> {
    await writeFile(a.path('report.txt'), content);
    await a.drain();
  }

  async function log(path: string): Promise<LoggedVersion[]> {
    return JSON.parse(await holdfast(a.home, ['log', path, '--json'])) as LoggedVersion[];
  }

  test('are listed newest first, also across a save by renaming over and a deletion, and come back', async () => {
    const path = a.path('report.txt');
    await save('one');
    await save('two, longer');
    await writeFile(a.path('.report.tmp'), 'three, saved by renaming over');
    await rename(a.path('.report.tmp'), path);
    await a.drain();
    await rm(path);
    await a.drain();
    const versions = await log(path);
    expect(versions.map(({ size, author }) => ({ size, author }))).toEqual([
      { size: 29, author: 'ada' },
      { size: 11, author: 'ada' },
      { size: 3, author: 'ada' },
    ]);

    await holdfast(a.home, ['restore', path, '--version', String(versions[1]?.version)]);
    await eventually(async () => expect(await readFile(path, 'utf8')).toBe('two, longer'));
    const aside = a.path('report-old.txt');
    await holdfast(a.home, ['restore', path, '--version', String(versions[2]?.version), '--to', aside]);
    await eventually(async () => expect(await readFile(aside, 'utf8')).toBe('one'));
    await holdfast(a.home, ['restore', path, '--version', String(versions[0]?.version)]);
    await eventually(async () => expect(await readFile(path, 'utf8')).toBe('three, saved by renaming over'));
    expect((await log(path)).length).toBeGreaterThan(3);
  }, 120_000);

  test('a version there is none of is refused, and nothing changes', async () => {
    await save('the present');
    const refused = holdfast(a.home, ['restore', a.path('report.txt'), '--version', '999999']);
    await expect(refused).rejects.toThrow(/ended with 66[^]*has no version 999999/);
    expect(await readFile(a.path('report.txt'), 'utf8')).toBe('the present');
  }, 60_000);
});
