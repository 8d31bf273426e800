import { CreateBucketCommand, DeleteBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openObjectStore } from '../../../blockstore/store-url.ts';
import { S3Store } from '../../../blockstore/s3-store.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { describeObjectStore } from './object-store-suite.ts';

const endpoint = process.env['HOLDFAST_TEST_S3'];
const environment = { clock: systemClock, randomness: systemRandomness };

async function withBucket<Store>(open: (bucket: string) => Promise<Store>) {
  const bucket = `holdfast-test-${randomBytes(6).toString('hex')}`;
  const client = new S3Client({ region: 'us-east-1', endpoint: endpoint ?? '', forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  const store = await open(bucket);
  const removeBucket = async () => {
    await client.send(new DeleteBucketCommand({ Bucket: bucket }));
    client.destroy();
  };
  return { store, removeBucket };
}

if (endpoint === undefined) {
  console.warn(
    'SKIPPED: S3 conformance, because HOLDFAST_TEST_S3 names no endpoint. ' +
      'Run: eval "$(test/services/s3.sh start /tmp/holdfast-s3 7480)"',
  );
  describe.skip('S3Store (HOLDFAST_TEST_S3 is not set)', () => it('is skipped', () => undefined));
} else {
  describeObjectStore('S3Store', async () => {
    const settings = { prefix: 'some/prefix/', endpoint, region: 'us-east-1' };
    const { store, removeBucket } = await withBucket((bucket) => S3Store.open({ bucket, ...settings }));
    const dispose = async () => {
      for await (const { key } of store.list('')) await store.delete(key);
      store.close();
      await removeBucket();
    };
    return { store, dispose };
  });

  describeObjectStore('s3: by URL, with retries', async () => {
    const url = (bucket: string) => `s3://${bucket}?endpoint=${endpoint}`;
    const { store, removeBucket } = await withBucket((bucket) => openObjectStore(url(bucket), environment));
    const dispose = async () => {
      for await (const { key } of store.list('')) await store.delete(key);
      await removeBucket();
    };
    return { store, dispose };
  });

  describe('S3Store.open', () => {
    const settings = { bucket: 'holdfast-no-such-bucket', prefix: '', endpoint, region: 'us-east-1' };
    it('says notFound for a bucket that does not exist', async () => {
      await expect(S3Store.open(settings)).rejects.toMatchObject({ code: 'notFound' });
    });
    it('says unavailable where nobody answers', async () => {
      const nobody = { ...settings, endpoint: 'http://127.0.0.1:9' };
      await expect(S3Store.open(nobody)).rejects.toMatchObject({ code: 'unavailable' });
    });
  });
}
