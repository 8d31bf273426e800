import { spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Stand } from '../../test/end-to-end/stand.ts';
import { peakMemoryMib, writeRandomFile } from '../../test/end-to-end/tree-facts.ts';
import { caughtUp, drain } from './control.ts';
import { describeLoad, Figures, median, timed } from './figures.ts';
import { openPeers } from './peers.ts';

/**
 * A large file through the mount: write and fsync, the drain, a cold read on a second mount (all from the server), a
 * read of what is hydrated but not in the kernel's cache, and one that is. Server and mounts run in processes of their
 * own; the disk and bindfs do the same beside them. Prints medians, ratios and the peak memory of the mounts.
 *
 *     node bench/mount/large-file.ts [--mebibytes 1024] [--runs 3]
 */
const { values } = parseArgs({
  options: { mebibytes: { type: 'string', default: '1024' }, runs: { type: 'string', default: '3' } },
});
const mebibytes = Number(values.mebibytes);
const mib = 1024 * 1024;
const password = 'a long password';
const buffer = Buffer.alloc(mib);

function copyWithFsync(from: string, to: string): void {
  const source = openSync(from, 'r');
  const target = openSync(to, 'w');
  for (let got = readSync(source, buffer); got > 0; got = readSync(source, buffer)) writeSync(target, buffer, 0, got);
  fsyncSync(target);
  closeSync(target);
  closeSync(source);
}

function readAll(path: string): void {
  const fd = openSync(path, 'r');
  let bytes = 0;
  for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer)) bytes += got;
  closeSync(fd);
  if (bytes !== mebibytes * mib) throw new Error(`${path} has ${bytes} bytes`);
}

/** Has the kernel drop its cached pages of the file (posix_fadvise, by way of dd). */
function dropPages(path: string): void {
  const done = spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  if (done.status !== 0) throw new Error(`dd cannot drop the pages of ${path}`);
}

const figures = new Figures();
const peaksA: number[] = [];
const peaksB: number[] = [];

async function run(seed: number): Promise<void> {
  const stand = await Stand.open();
  const peers = openPeers(stand.directory);
  try {
    const source = join(stand.directory, 'source');
    await writeRandomFile(source, mebibytes * mib, seed);
    await stand.addUser('ada', password);
    const a = await stand.device('ada', password, 'a');
    const b = await stand.device('ada', password, 'b');
    await a.mount();
    figures.add('write and fsync', 'holdfast', await timed(() => copyWithFsync(source, a.path('big'))));
    figures.add('drain after that', 'holdfast', await timed(() => drain(a)));
    await b.mount();
    await caughtUp(b, a);
    figures.add('cold read', 'holdfast', await timed(() => readAll(b.path('big'))));
    dropPages(b.path('big'));
    figures.add('hydrated read', 'holdfast', await timed(() => readAll(b.path('big'))));
    figures.add('cached read', 'holdfast', await timed(() => readAll(b.path('big'))));
    peaksA.push(await peakMemoryMib(a.process.child.pid ?? 0));
    peaksB.push(await peakMemoryMib(b.process.child.pid ?? 0));
    for (const [peer, directory] of peers.directories) {
      const path = join(directory, 'big');
      figures.add('write and fsync', peer, await timed(() => copyWithFsync(source, path)));
      if (peer !== 'disk') dropPages(path);
      figures.add('hydrated read', peer, await timed(() => readAll(path)));
      figures.add('cached read', peer, await timed(() => readAll(path)));
      rmSync(path);
    }
    await a.unmount();
    await b.unmount();
  } finally {
    peers.close();
    await stand.close();
  }
}

for (let seed = 1; seed <= Number(values.runs); seed += 1) await run(seed);
console.log(`${mebibytes} MiB, medians of ${values.runs} runs, ${describeLoad()}`);
figures.print(mebibytes, 'MiB');
console.log(
  `peak memory: the mount that wrote ${median(peaksA).toFixed(0)} MiB, the one that read ${median(peaksB).toFixed(0)} MiB`,
);
