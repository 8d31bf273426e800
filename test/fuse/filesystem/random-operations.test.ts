import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
if (!pythonHere) console.warn('SKIPPED: random operations on a file of a drive: python3 is missing');
const script = fileURLToPath(new URL('random-operations.py', import.meta.url));

/** How many for each seed; more for a long run. */
const operations = Number(process.env['HOLDFAST_RANDOM_OPERATIONS'] ?? 1_500);
const timeoutMs = 60_000 + operations * 20;

describe.skipIf(!pythonHere).each(direct)('a file on a drive mounted as %s', (mounter) => {
  let drive: MountedDrive;
  beforeAll(async () => {
    drive = await MountedDrive.start(mounter);
  });
  afterAll(async () => {
    expect((await drive.counts()).defects).toEqual([]);
    await drive[Symbol.asyncDispose]();
  });

  it.each([1, 2, 3])(
    'equals a plain buffer after any reads, writes, mappings, cuts, holes and copies: seed %s',
    (seed) => {
      const args = [script, drive.path(`random ${seed}`), String(seed), String(operations)];
      const { stderr, signal } = spawnSync('python3', args, { encoding: 'utf8', timeout: timeoutMs });
      expect(signal === null ? stderr : `ended by ${signal}`).toBe('');
    },
    timeoutMs,
  );
});
