import { parseArgs } from 'node:util';
import { SimulationFailure, simulate } from './simulation.ts';

/**
 * `npm run simulate -- --runs N --seed S`: runs seeds S to S+N-1 and stops at the first that fails, with its log.
 * `--seed S --runs 1 --log` replays one. With `--refusals` the server refuses some changes, and a seed means another run.
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    log: { type: 'boolean', default: false },
    refusals: { type: 'boolean', default: false },
  },
});

const first = Number(values.seed);
const runs = Number(values.runs);
const startedMs = performance.now();
let written = 0;
let conflicts = 0;
for (let seed = first; seed < first + runs; seed += 1) {
  try {
    const result = await simulate(seed, { refusals: values.refusals });
    written += result.written;
    conflicts += result.conflicts;
    if (values.log) console.log(result.log.join('\n'));
    if (runs === 1) console.log(`seed ${seed}: log ${result.logHash}`);
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    console.error(error.log.join('\n'));
    console.error(
      `\n${error.message}\n\nagain with: npm run simulate -- --runs 1 --seed ${seed}${values.refusals ? ' --refusals' : ''}`,
    );
    process.exitCode = 1;
    break;
  }
}
if (process.exitCode !== 1) {
  const seconds = (performance.now() - startedMs) / 1_000;
  const what = `${written} contents written, ${conflicts} conflicted copies in the end`;
  console.log(`${runs} runs from seed ${first} passed in ${seconds.toFixed(1)} s: ${what}`);
}
