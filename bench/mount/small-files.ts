import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Stand } from '../../test/end-to-end/stand.ts';
import { peakMemoryMib } from '../../test/end-to-end/tree-facts.ts';
import { makeArchive, unpack } from './archive.ts';
import { drain } from './control.ts';
import { describeLoad, Figures, median, timed } from './figures.ts';
import { openPeers } from './peers.ts';

/**
 * Many small files: unpack an archive of the system's documentation and headers into the mount, and drain it. The disk
 * and bindfs unpack the same beside it. Prints medians, ratios and the peak memory of the mount; a CPU
 * profile of the mount's process goes to DIRECTORY.
 *
 *     node bench/mount/small-files.ts [--files 5000] [--runs 3] [--profile DIRECTORY]
 */
const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '5000' },
    runs: { type: 'string', default: '3' },
    profile: { type: 'string' },
  },
});
const password = 'a long password';

const figures = new Figures();
const peaks: number[] = [];
let files = 0;

async function run(): Promise<void> {
  const stand = await Stand.open();
  const peers = openPeers(stand.directory);
  try {
    const archive = join(stand.directory, 'archive.tar');
    files = makeArchive(archive, Number(values.files));
    await stand.addUser('ada', password);
    const a = await stand.device('ada', password, 'a');
    // The mount alone is profiled: the server runs already, and what follows is not Node.
    if (values.profile !== undefined) process.env['NODE_OPTIONS'] = `--cpu-prof --cpu-prof-dir=${values.profile}`;
    await a.mount();
    delete process.env['NODE_OPTIONS'];
    figures.add('unpack', 'holdfast', await timed(() => unpack(archive, a.path('tree'))));
    figures.add('drain after that', 'holdfast', await timed(() => drain(a)));
    peaks.push(await peakMemoryMib(a.process.child.pid ?? 0));
    for (const [peer, directory] of peers.directories) {
      figures.add('unpack', peer, await timed(() => unpack(archive, join(directory, 'tree'))));
    }
    await a.unmount();
  } finally {
    peers.close();
    await stand.close();
  }
}

for (let round = 0; round < Number(values.runs); round += 1) await run();
console.log(`${files} files, medians of ${values.runs} runs, ${describeLoad()}`);
figures.print(files, 'files');
console.log(`peak memory of the mount: ${median(peaks).toFixed(0)} MiB`);
