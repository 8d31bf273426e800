import { existsSync, rmSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

/**
 * A pipeline worker that ends at the first task while the file named by `HOLDFAST_TEST_FAILING_WORKER` is there, which it
 * takes away if its name ends in `.once`; from then on it is the real one.
 */
const marker = process.env['HOLDFAST_TEST_FAILING_WORKER'] ?? '';
if (existsSync(marker)) {
  parentPort?.once('message', () => {
    if (marker.endsWith('.once')) rmSync(marker);
    process.exit(3);
  });
} else {
  await import('../../../mount/sync/pipeline-worker.ts');
}
