import { describe, expect, test } from 'vitest';
import { freshBucket } from './fresh-bucket.ts';
import { freshDatabase } from './fresh-database.ts';
import { runRealTree } from './real-tree.ts';
import { skipLoudly, whyNoMount, whyNoProgram } from './requirements.ts';
import type { ServerStorage } from './stand.ts';

const bigBytes = 1024 ** 3;
/** Of the server in every phase, and of both mounts in all of their lives. */
const memoryMbMax = 300;

const postgres = process.env['HOLDFAST_TEST_POSTGRES'];
const s3 = process.env['HOLDFAST_TEST_S3'];

function scenario(storage: () => Promise<ServerStorage | undefined>): () => Promise<void> {
  return async () => {
    const found = await runRealTree(bigBytes, await storage());
    process.stderr.write(`real tree: ${JSON.stringify({ ...found, factsDiffer: found.factsDiffer.length })}\n`);
    expect(found.differences).toBe('');
    expect(found.factsDiffer).toEqual([]);
    expect(found.rcloneCheck, found.rcloneCheck.summary).toMatchObject({ code: 0 });
    expect(found.insertedByte.hashAgrees).toBe(true);
    expect(found.insertedByte.blocks).toBeLessThanOrEqual(3);
    expect(found.copyBlocks).toBe(0);
    const { serverPeakMb, mountPeakMb } = found;
    const peaksMb = [...Object.values(serverPeakMb), ...Object.values(mountPeakMb)];
    expect(Math.max(...peaksMb), JSON.stringify(found)).toBeLessThan(memoryMbMax);
  };
}

const reasons = [whyNoMount(), whyNoProgram('rclone', 'rclone')];

describe.skipIf(skipLoudly('a real tree through mounts and WebDAV', ...reasons))('a real tree', () => {
  test(
    'is the same on both mounts and through WebDAV',
    { timeout: 900_000 },
    scenario(async () => undefined),
  );
});

const noServers =
  postgres === undefined || s3 === undefined ? 'HOLDFAST_TEST_POSTGRES or HOLDFAST_TEST_S3 is not set' : undefined;

describe.skipIf(skipLoudly('a real tree on Postgres and S3', ...reasons, noServers))(
  'a real tree on Postgres and S3',
  () => {
    const storage = async (): Promise<ServerStorage> => ({
      database: await freshDatabase(postgres ?? ''),
      store: `s3://${await freshBucket(s3 ?? '')}/drive?endpoint=${s3 ?? ''}&region=us-east-1`,
    });
    test('is the same on both mounts and through WebDAV', { timeout: 900_000 }, scenario(storage));
  },
);
