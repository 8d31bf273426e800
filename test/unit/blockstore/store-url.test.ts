import { mkdtemp, readdir, readFile, rm, stat, writeFile, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskStore } from '../../../blockstore/disk-store.ts';
import { openKeyFile } from '../../../blockstore/key-file.ts';
import { MemoryStore } from '../../../blockstore/memory-store.ts';
import { openObjectStore, parseS3Url } from '../../../blockstore/store-url.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import type { PackId } from '../../../protocol/ids.ts';
import { seededBytes } from './seeded-bytes.ts';

const environment = { clock: systemClock, randomness: systemRandomness };

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'holdfast-open-'))));
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('openObjectStore', () => {
  it('opens what its URL names', async () => {
    expect(await openObjectStore('memory:', environment)).toBeInstanceOf(MemoryStore);
    const store = await openObjectStore(`disk:${directory}/a b/ü`, environment);
    expect(store).toBeInstanceOf(DiskStore);
    expect((await stat(join(directory, 'a b/ü/objects'))).isDirectory()).toBe(true);
  });

  it('reads bucket, prefix, endpoint and region', () => {
    expect(parseS3Url('s3://bucket/some/prefix?endpoint=http://127.0.0.1:7480&region=eu-1')).toEqual({
      bucket: 'bucket',
      prefix: 'some/prefix/',
      endpoint: 'http://127.0.0.1:7480',
      region: 'eu-1',
    });
    expect(parseS3Url('s3://bucket')).toMatchObject({ prefix: '', endpoint: undefined });
    expect(parseS3Url('s3://bucket/')).toMatchObject({ prefix: '' });
  });

  it.each([
    'disk:',
    'memory',
    'ftp://x',
    '/data',
    's3://b',
    's3://Bucket_',
    's3://bucket/a//b',
    's3://bucket?end=x',
    's3://bucket?endpoint=x',
    's3://key:secret@bucket/',
  ])('says invalidArgument for %s, without repeating a secret', async (url) => {
    const error: unknown = await openObjectStore(url, environment).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'invalidArgument' });
    expect(String(error)).not.toContain('secret');
  });

  it('says forbidden or unavailable where a disk store cannot be', async () => {
    await writeFile(join(directory, 'file'), '');
    const opened = openObjectStore(`disk:${directory}/file/store`, environment);
    await expect(opened).rejects.toMatchObject({ message: expect.stringContaining('file/store') as string });
  });
});

describe('openKeyFile', () => {
  const pack = '0'.repeat(32) as PackId;
  const dataKey = seededBytes('data', 32);
  const none = new Set<string>();

  it('makes one key on first use, private, and finds it again', async () => {
    const path = join(directory, 'data', 'master-keys.json');
    const [first, second] = await Promise.all([openKeyFile(path, none), openKeyFile(path, none)]);
    expect(first.activeKeyId).toBe(second.activeKeyId);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const wrapped = first.wrap(pack, dataKey);
    expect(Buffer.from((await openKeyFile(path, none)).unwrap(pack, wrapped))).toEqual(dataKey);
  });

  it('refuses a file that others may read, or that is no key file, without quoting it', async () => {
    const path = join(directory, 'keys.json');
    await openKeyFile(path, none);
    await chmod(path, 0o640);
    await expect(openKeyFile(path, none)).rejects.toMatchObject({ code: 'forbidden' });
    await chmod(path, 0o600);
    const content = await readFile(path, 'utf8');
    const key = /"key": "([^"]+)"/.exec(content)?.[1] ?? '';
    expect(key).toHaveLength(44);
    for (const damaged of ['', '{}', content.slice(0, -10), content.replace('"format": 1', '"format": 2')]) {
      await writeFile(path, damaged);
      const error: unknown = await openKeyFile(path, none).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'corrupt' });
      expect(String(error)).not.toContain(key.slice(0, 10));
    }
  });

  it('makes no new file where packs need the keys of one that is gone', async () => {
    const path = join(directory, 'keys.json');
    const opened = openKeyFile(path, new Set(['00000000000000bb', '00000000000000aa']));
    await expect(opened).rejects.toMatchObject({
      code: 'notFound',
      message: expect.stringMatching(/keys\.json is missing.*00000000000000aa, 00000000000000bb.*backup/) as string,
    });
    expect(await readdir(directory)).toEqual([]);
  });

  it('refuses a file that lacks a key that packs need, and names it', async () => {
    const path = join(directory, 'keys.json');
    const { activeKeyId } = await openKeyFile(path, none);
    const before = await readFile(path, 'utf8');
    expect((await openKeyFile(path, new Set([activeKeyId]))).activeKeyId).toBe(activeKeyId);
    const opened = openKeyFile(path, new Set([activeKeyId, '00000000000000aa']));
    await expect(opened).rejects.toMatchObject({
      code: 'notFound',
      message: expect.stringMatching(/lacks .*00000000000000aa/) as string,
    });
    await expect(opened).rejects.not.toMatchObject({ message: expect.stringContaining(activeKeyId) as string });
    expect(await readFile(path, 'utf8')).toBe(before);
  });
});
