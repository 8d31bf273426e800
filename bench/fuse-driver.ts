import { closeSync, openSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { Mounted } from '../test/fuse/driver/mounted.ts';

/** What the kernel driver costs: a filesystem in memory, mounted in a process of its own, used from this one. */

const rounds = 20_000;
const mebibytes = 512;
const mib = 1 << 20;

function roundTrip(path: string): void {
  writeFileSync(path, '');
  const us: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    statSync(path);
    us.push((performance.now() - start) * 1000);
  }
  us.sort((a, b) => a - b);
  const at = (part: number): string => (us[Math.floor(rounds * part)] ?? NaN).toFixed(1);
  console.log(
    `round trip (uncached stat: LOOKUP or GETATTR): p50 ${at(0.5)} µs, p90 ${at(0.9)} µs, p99 ${at(0.99)} µs`,
  );
}

function transfer(what: string, path: string, flags: string, step: (fd: number, buffer: Buffer) => number): void {
  const buffer = Buffer.alloc(mib, 0x5a);
  const fd = openSync(path, flags);
  const start = performance.now();
  for (let done = 0; done < mebibytes; done += 1) {
    if (step(fd, buffer) !== mib) throw new Error(`${what}: a short transfer`);
  }
  const seconds = (performance.now() - start) / 1000;
  closeSync(fd);
  console.log(`${what}: ${((mebibytes * mib) / 1e6 / seconds).toFixed(0)} MB/s`);
}

await using mounted = await Mounted.start('root', { timeouts: 'none' });
roundTrip(mounted.path('file'));
const large = mounted.path('large');
transfer('sequential write, first (memory grows)', large, 'w', (fd, buffer) => writeSync(fd, buffer));
transfer('sequential write, again', large, 'r+', (fd, buffer) => writeSync(fd, buffer));
await mounted.tell({ type: 'invalidateContent', path: 'large' });
transfer('sequential read, uncached', large, 'r', (fd, buffer) => readSync(fd, buffer));
transfer('sequential read, page cache', large, 'r', (fd, buffer) => readSync(fd, buffer));
const { reads, writes } = await mounted.counts();
console.log(`requests: ${writes} writes, ${reads} reads for ${mebibytes} MiB twice written and once read`);
