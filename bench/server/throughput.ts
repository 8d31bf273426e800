import { parseArgs } from 'node:util';
import { commitFiles, getFile, putFile, readSnapshot } from './api-scenarios.ts';
import { whileCommitting } from './commit-probe.ts';
import { cpuSeconds, MeasuredServer, peakMib, resetPeak } from './measured-server.ts';
import { makeSmallFiles, plainWrite, rclone, startRclonePeer } from './peers.ts';
import type { Texture } from './seeded-stream.ts';
import { webdavGet, webdavPut } from './webdav-scenarios.ts';

/**
 * Rate, CPU and peak memory (VmHWM since the scenario began) of a server in its own process, scenario by scenario, with peers
 * beside it: `rclone serve webdav` over the same disk, and a plain file written and flushed.
 *
 *     node bench/server/throughput.ts [--mebibytes 1024] [--files 14000] [--texture random|text] [--only NAME,…]
 *
 * Scenarios: idle, put (API, as a mount drains, with the latency of tiny commits meanwhile), get (API), dav (WebDAV PUT and GET),
 * commits (one file each), small (a tree by rclone, then listed and checked), snapshot (what a new mount reads), plain.
 */
const { values } = parseArgs({
  options: {
    mebibytes: { type: 'string', default: '1024' },
    files: { type: 'string', default: '14000' },
    texture: { type: 'string', default: 'random' },
    only: { type: 'string' },
  },
});
const byteLength = Number(values.mebibytes) * 1024 * 1024;
const files = Number(values.files);
const texture: Texture = values.texture === 'text' ? 'text' : 'random';
const only = values.only?.split(',');
const wanted = (name: string): boolean => only === undefined || only.includes(name);

interface Measured {
  readonly seconds: number;
}

/** Runs `work` and prints what it took of the process `pid`; `amount` is in units of `unit`. */
async function measure(
  pid: number,
  label: string,
  amount: number,
  unit: string,
  work: () => Promise<unknown>,
): Promise<Measured> {
  await resetPeak(pid);
  const cpuBefore = await cpuSeconds(pid);
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const cpuAfter = await cpuSeconds(pid);
  const cpu = `${(cpuAfter.user - cpuBefore.user).toFixed(2)} + ${(cpuAfter.system - cpuBefore.system).toFixed(2)} s`;
  const peak = await peakMib(pid);
  const rate = `${(amount / seconds).toFixed(0)} ${unit}/s`;
  console.log(
    `${label.padEnd(34)} ${seconds.toFixed(2).padStart(8)} s ${rate.padStart(14)}  cpu ${cpu.padStart(15)}  peak ${peak.toFixed(0).padStart(4)} MiB`,
  );
  return { seconds };
}

async function measureApi(server: MeasuredServer): Promise<void> {
  const megabytes = byteLength / 1e6;
  const probeData = { url: server.url, token: server.token, namespace: server.namespace };
  if (wanted('idle')) {
    const idle = await whileCommitting(probeData, () => new Promise((resolve) => setTimeout(resolve, 3000)));
    console.log(
      `tiny commits, server idle: p50 ${idle.p50.toFixed(1)} ms, p99 ${idle.p99.toFixed(1)} ms (${idle.commits})`,
    );
  }
  if (wanted('put') || wanted('get')) {
    let stored = await putFile(server, 'warm', 1, 1024 * 1024, texture);
    await measure(server.pid, 'API put', megabytes, 'MB', async () => {
      stored = await putFile(server, 'one', 2, byteLength, texture);
    });
    if (wanted('get')) {
      await measure(server.pid, 'API get', megabytes, 'MB', () => getFile(server, stored));
    }
    if (wanted('put')) {
      const busy = await whileCommitting(probeData, async () => {
        await putFile(server, 'two', 3, byteLength / 2, texture);
      });
      console.log(
        `tiny commits during a put: p50 ${busy.p50.toFixed(1)} ms, p99 ${busy.p99.toFixed(1)} ms (${busy.commits})`,
      );
    }
  }
}

async function measureWebdav(server: MeasuredServer): Promise<void> {
  const megabytes = byteLength / 1e6;
  const peer = await startRclonePeer(server.directory, 17_421);
  try {
    for (const [name, at, pid] of [
      ['holdfast', server, server.pid],
      ['rclone serve', peer, peer.pid],
    ] as const) {
      const put = () => webdavPut(at, 'file.bin', 4, byteLength, texture);
      await measure(pid, `WebDAV PUT, ${name}`, megabytes, 'MB', put);
      const get = () => webdavGet(at, 'file.bin', 4, byteLength, texture);
      await measure(pid, `WebDAV GET, ${name}`, megabytes, 'MB', get);
    }
  } finally {
    await peer.close();
  }
}

async function measureSmall(server: MeasuredServer): Promise<void> {
  const folder = await makeSmallFiles(server.directory, files);
  const peer = await startRclonePeer(server.directory, 17_422);
  try {
    for (const [name, at, pid] of [
      ['holdfast', server, server.pid],
      ['rclone serve', peer, peer.pid],
    ] as const) {
      const step = (what: string, args: readonly string[]) =>
        measure(pid, `rclone ${what}, ${name}`, files, 'files', () => rclone(at, args));
      await step('copy up', ['copy', folder, ':remote:small']);
      await step('list', ['lsf', '-R', '--files-only', ':remote:small']);
      await step('check --download', ['check', '--download', folder, ':remote:small']);
    }
  } finally {
    await peer.close();
  }
}

const server = await MeasuredServer.start();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void server.close().finally(() => process.exit(1)));
}
try {
  console.log(
    `${values.mebibytes} MiB of ${texture} bytes; ${files} files; server at rest ${(await peakMib(server.pid)).toFixed(0)} MiB`,
  );
  await measureApi(server);
  if (wanted('dav')) await measureWebdav(server);
  if (wanted('commits')) {
    await measure(server.pid, 'API commits of one file', files, 'files', () => commitFiles(server, files));
  }
  if (wanted('small')) await measureSmall(server);
  if (wanted('snapshot')) {
    let changes = 0;
    const read = async () => (changes = await readSnapshot(server));
    await measure(server.pid, 'API snapshot', files, 'files', read);
    console.log(`  the snapshot held ${changes} changes`);
  }
  if (wanted('plain')) {
    const path = `${server.directory}/plain`;
    await measure(process.pid, 'plain file and fsync (this process)', byteLength / 1e6, 'MB', () =>
      plainWrite(path, 5, byteLength, texture),
    );
  }
} finally {
  await server.close();
}
