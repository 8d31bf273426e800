import { describe, expect, test } from 'vitest';
import { simulate } from './simulation.ts';

/** `npm run simulate -- --runs N --seed S [--refusals]` runs more of them. */
const seeds = 60;

const worlds = [
  {
    name: 'with a server that takes every change',
    refusals: false,
    failedOnce: [336, 3908, 4283, 5285, 5954, 9205, 9823],
  },
  { name: 'with a server that refuses some', refusals: true, failedOnce: [287, 412, 660] },
] as const;

describe.each(worlds)('three clients and one server, $name', ({ failedOnce, refusals }) => {
  test(`converge and lose nothing, for seeds 1 to ${seeds}`, { timeout: 600_000 }, async () => {
    let written = 0;
    for (let seed = 1; seed <= seeds; seed += 1) written += (await simulate(seed, { refusals })).written;
    expect(written).toBeGreaterThan(seeds);
  });

  test.each(failedOnce)('seed %i, which failed once, passes', { timeout: 60_000 }, async (seed) => {
    expect((await simulate(seed, { refusals })).written).toBeGreaterThan(0);
  });
});

test('a seed replays exactly', { timeout: 60_000 }, async () => {
  const first = await simulate(7);
  const again = await simulate(7);
  expect(again.logHash).toBe(first.logHash);
  expect((await simulate(8)).logHash).not.toBe(first.logHash);
});
