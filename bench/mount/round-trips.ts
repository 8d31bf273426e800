import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runCommand } from '../../test/end-to-end/process.ts';
import { Stand } from '../../test/end-to-end/stand.ts';
import { makeArchive, unpack, unpackScript } from './archive.ts';
import { drain } from './control.ts';
import { describeLoad, median, timed } from './figures.ts';
import { processTimeMs } from './process-time.ts';
import { sh } from './small-file-rows.ts';

/**
 * What a round trip to the server costs: unpack an archive, clone a repository that lies beside it, `git status`, and
 * remove both, on mounts whose way to the server is late by half the round trip each way (bandwidth unlimited,
 * pipelining kept). The mount works on the local disk, so every ratio to no round trip should be 1; what has to cross, the
 * first load and the drains, is shown in parentheses. Rounds alternate, and the disk does the same beside them, so that
 * what else the machine does shows.
 *
 *     node bench/mount/round-trips.ts [--files 5000] [--runs 3] [--round-trips 0,20,100]
 */
const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '5000' },
    runs: { type: 'string', default: '3' },
    'round-trips': { type: 'string', default: '0,20,100' },
  },
});
const password = 'a long password';
const roundTripsMs = values['round-trips'].split(',').map(Number);
/** Seconds by what was done and on what: a mount at so many ms, or the disk. */
const seconds = new Map<string, Map<string, number[]>>();

function add(what: string, subject: string, taken: number): void {
  const row = seconds.get(what) ?? new Map<string, number[]>();
  seconds.set(what, row.set(subject, [...(row.get(subject) ?? []), taken]));
}

/** Leaves this thread free: the delayed line runs on it. */
async function run(script: string, ...args: string[]): Promise<void> {
  const done = await runCommand('sh', ['-euc', script, 'sh', ...args], { timeoutMs: 600_000 });
  if (done.code !== 0) throw new Error(`${script}: ${done.stderr}`);
}

/** A repository of what the archive holds. */
function makeRepository(archive: string, path: string): void {
  unpack(archive, path);
  const identity = '-c user.name=bench -c user.email=bench@localhost';
  sh(`cd "$1" && git init -q && git add -A && git ${identity} commit -qm all`, path);
}

interface Sources {
  readonly archive: string;
  readonly repository: string;
}

interface Subject {
  readonly name: string;
  readonly directory: string;
  /** Of the mount; its processor time shows whether it does more, where the clock also shows what else the machine does. */
  readonly pid?: number;
  /** Runs where a user would pause. */
  settle(): Promise<void>;
}

/** What a user does. */
async function work(sources: Sources, subject: Subject): Promise<void> {
  const { directory, name, pid } = subject;
  const [tree, clone] = [join(directory, 'tree'), join(directory, 'clone')];
  const measure = async (what: string, script: string, ...args: string[]): Promise<void> => {
    const before = pid === undefined ? 0 : processTimeMs(pid);
    add(what, name, await timed(() => run(script, ...args)));
    if (pid !== undefined) add(`(${what}: processor time of the mount)`, name, (processTimeMs(pid) - before) / 1000);
  };
  await measure('untar', `mkdir "$2" && ${unpackScript}`, sources.archive, tree);
  await subject.settle();
  await measure('git clone', 'git clone -q --no-local "$1" "$2"', sources.repository, clone);
  await subject.settle();
  await measure('git status', 'git -C "$1" status --porcelain', clone);
  await measure('rm -rf', 'rm -rf "$1" "$2"', tree, clone);
  await subject.settle();
}

async function round(stand: Stand, sources: Sources, roundTripMs: number, index: number): Promise<void> {
  const name = `${roundTripMs} ms`;
  const line = await stand.openLine(roundTripMs / 2);
  const device = await stand.device('ada', password, `${roundTripMs}-${index}`, line.url);
  add('(mount)', name, await timed(() => device.mount()));
  const pid = device.process.child.pid ?? 0;
  const settle = async (): Promise<void> => add('(a drain)', name, await timed(() => drain(device)));
  await work(sources, { name, directory: device.mountpoint, pid, settle });
  await device.unmount();
}

const stand = await Stand.open();
try {
  const archive = join(stand.directory, 'archive.tar');
  const files = makeArchive(archive, Number(values.files));
  const repository = join(stand.directory, 'repository');
  makeRepository(archive, repository);
  const disk = join(stand.directory, 'disk');
  mkdirSync(disk);
  await stand.addUser('ada', password);
  for (let index = 0; index < Number(values.runs); index += 1) {
    for (const roundTripMs of roundTripsMs) await round(stand, { archive, repository }, roundTripMs, index);
    await work({ archive, repository }, { name: 'disk', directory: disk, settle: async () => undefined });
  }
  console.log(`${files} files, medians of ${values.runs} runs, ${describeLoad()}`);
  for (const [what, row] of seconds) {
    const [first = 0] = roundTripsMs;
    const base = median(row.get(`${first} ms`) ?? []);
    const cells = [...row].map(([subject, taken]) => {
      const ratio = subject === `${first} ms` ? '' : ` (${(median(taken) / base).toFixed(2)}×)`;
      return `${subject} ${median(taken).toFixed(2)} s${ratio}`;
    });
    console.log(`${what}: ${cells.join('; ')}`);
  }
} finally {
  await stand.close();
}
