import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DriveErrorCode } from '../../protocol/errors.ts';
import { TreeRun } from './tree-run.ts';
import { treeStep } from './tree-steps.ts';

/** What a call of `LocalTree` can answer with: a run that met less than all of it has not tested it. */
const outcomes: ('done' | DriveErrorCode)[] = [
  ...(['done', 'notFound', 'exists', 'notDirectory', 'isDirectory', 'notEmpty', 'invalidName'] as const),
  ...(['nameTooLong', 'invalidArgument', 'tooLarge'] as const),
];

test('a replica is what a plain tree is after the same steps, with results, refusals, restarts and totals', async () => {
  const met = new Map<'done' | DriveErrorCode, number>();
  const steps = fc.array(treeStep, { maxLength: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 20 }), async (taken, changesMax) => {
      const directory = mkdtempSync(join(tmpdir(), 'holdfast-tree-'));
      const run = new TreeRun(directory, changesMax, met);
      try {
        for (const step of taken) await run.run(step);
        run.check();
      } finally {
        await run.close();
        rmSync(directory, { recursive: true });
      }
    }),
    // Making a failure smaller may take long: what is found within the time is told.
    { numRuns: 100, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
  expect([...met.keys()].sort()).toEqual(outcomes.sort());
}, 120_000);
