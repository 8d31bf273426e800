import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskStore } from '../../../blockstore/disk-store.ts';
import { describeObjectStore } from './object-store-suite.ts';

describeObjectStore('DiskStore', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-disk-store-'));
  return {
    store: await DiskStore.open(directory),
    dispose: () => rm(directory, { recursive: true, force: true }),
  };
});
