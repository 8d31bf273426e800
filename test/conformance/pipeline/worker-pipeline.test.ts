import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InProcessPipeline } from '../../../mount/sync/block-pipeline.ts';
import { WorkerPipeline } from '../../../mount/sync/worker-pipeline.ts';
import { seededBytes } from '../../unit/blockstore/seeded-bytes.ts';
import { FileSource } from './file-source.ts';
import { describePipeline } from './pipeline-suite.ts';

const mib = 1024 * 1024;
const failingWorker = new URL('./failing-worker.ts', import.meta.url);

describePipeline('WorkerPipeline', () => new WorkerPipeline());

describe('WorkerPipeline', () => {
  let directory: string;
  let source: FileSource;
  let pipeline: WorkerPipeline;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-failing-worker-'));
    source = new FileSource(seededBytes('failing', 2 * mib));
    pipeline = new WorkerPipeline(failingWorker);
  });

  afterEach(async () => {
    delete process.env['HOLDFAST_TEST_FAILING_WORKER'];
    await pipeline.close();
    await source.close();
    rmSync(directory, { recursive: true });
  });

  function failWhile(name: string): void {
    const marker = join(directory, name);
    writeFileSync(marker, '');
    process.env['HOLDFAST_TEST_FAILING_WORKER'] = marker;
  }

  it('replaces a thread that died and does its work again', async () => {
    failWhile('dead.once');
    const manifest = await pipeline.cut(source, undefined);
    expect(manifest).toEqual(await new InProcessPipeline().cut(source, undefined));
  });

  it('gives up on what ends two threads, and serves on', async () => {
    failWhile('dead');
    await expect(pipeline.cut(source, undefined)).rejects.toMatchObject({ code: 'internal' });
    rmSync(join(directory, 'dead'));
    await expect(pipeline.cut(source, undefined)).resolves.toMatchObject({ profile: expect.any(String) as string });
  });

  it('gives up with "cancelled" when it is closed', async () => {
    const cutting = expect(pipeline.cut(source, undefined)).rejects.toMatchObject({ code: 'cancelled' });
    await pipeline.close();
    await cutting;
    await expect(pipeline.cut(source, undefined)).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('keeps the event loop free while it works', async () => {
    const large = new FileSource(seededBytes('large', 64 * mib));
    const own = new WorkerPipeline();
    try {
      await own.cut(source, undefined); // the thread has started
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      const manifest = await own.cut(large, undefined);
      let offset = 0;
      for (const { hash, length } of manifest.entries) {
        expect(await own.frame(large, { hash, offset, length })).toBeDefined();
        offset += length;
      }
      delay.disable();
      // Cutting and framing these bytes takes a few hundred milliseconds; the timer itself is a millisecond late.
      expect(delay.percentile(50) / 1e6).toBeLessThan(5);
    } finally {
      await own.close();
      await large.close();
    }
  });
});
