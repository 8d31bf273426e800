import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Stand } from '../../test/end-to-end/stand.ts';
import { peakMemoryMib } from '../../test/end-to-end/tree-facts.ts';
import { makeArchive } from './archive.ts';
import { drain } from './control.ts';
import { describeLoad, Figures, median, timed } from './figures.ts';
import { openPeers } from './peers.ts';
import { processTimeMs } from './process-time.ts';
import { rows, sh } from './small-file-rows.ts';

/**
 * Many small files: an archive of the system's documentation and headers is unpacked into the mount, listed, searched,
 * added to a git repository and removed, and what became dirty is drained in between. The disk and bindfs do the same in
 * turn. Prints medians, ratios, the processor time of the mount's process and its peak memory; a CPU profile of that
 * process goes to DIRECTORY. Must be root, to drop the kernel's caches.
 *
 *     node bench/mount/small-files.ts [--files 5000] [--runs 5] [--profile DIRECTORY]
 */
const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '5000' },
    runs: { type: 'string', default: '5' },
    profile: { type: 'string' },
  },
});
const password = 'a long password';

const figures = new Figures();
const processorMs = new Map<string, number[]>();

/** Whose processor time counts, and how what it left dirty is drained. */
interface Measured {
  readonly pid: number;
  drain(): Promise<void>;
}

async function runRows(subject: string, archive: string, directory: string, own?: Measured): Promise<void> {
  const tree = join(directory, 'tree');
  mkdirSync(tree);
  for (const { name, script, changes, prepare } of rows) {
    prepare?.(archive, tree);
    await own?.drain();
    const before = own === undefined ? 0 : processTimeMs(own.pid);
    figures.add(name, subject, await timed(() => sh(script, archive, tree)));
    if (own === undefined) continue;
    processorMs.set(name, [...(processorMs.get(name) ?? []), processTimeMs(own.pid) - before]);
    if (changes === true) figures.add(`drain after ${name}`, subject, await timed(() => own.drain()));
  }
}

async function main(): Promise<void> {
  const stand = await Stand.open();
  const peers = openPeers(stand.directory);
  try {
    const archive = join(stand.directory, 'archive.tar');
    const files = makeArchive(archive, Number(values.files));
    await stand.addUser('ada', password);
    const a = await stand.device('ada', password, 'a');
    // The mount alone is profiled: the server runs already, and what follows is not Node.
    if (values.profile !== undefined) process.env['NODE_OPTIONS'] = `--cpu-prof --cpu-prof-dir=${values.profile}`;
    await a.mount();
    delete process.env['NODE_OPTIONS'];
    const own: Measured = { pid: a.process.child.pid ?? 0, drain: () => drain(a) };
    for (let run = 0; run < Number(values.runs); run += 1) {
      await runRows('holdfast', archive, a.mountpoint, own);
      for (const [peer, directory] of peers.directories) await runRows(peer, archive, directory);
    }
    console.log(`${files} files, medians of ${values.runs} runs, ${describeLoad()}`);
    figures.print(files, 'files');
    for (const [name, taken] of processorMs) {
      console.log(`processor time of the mount, ${name}: ${(median(taken) / files).toFixed(3)} ms a file`);
    }
    console.log(`peak memory of the mount: ${(await peakMemoryMib(own.pid)).toFixed(0)} MiB`);
    await a.unmount();
  } finally {
    peers.close();
    await stand.close();
  }
}

await main();
