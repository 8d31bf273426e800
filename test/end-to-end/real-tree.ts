import { copyFile, mkdir, readdir, rename } from 'node:fs/promises';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { describeTree, diffTrees, hashFile, takePeak, writeRandomFile } from './tree-facts.ts';
import { runCommand } from './process.ts';
import { Stand, type Device, type ServerStorage } from './stand.ts';

/** What a run of the real-tree scenario found; every figure is measured, none assumed. */
export interface RealTreeFindings {
  readonly files: number;
  readonly bigBytes: number;
  readonly uploadSeconds: number;
  readonly differences: string;
  readonly factsDiffer: readonly string[];
  readonly rcloneCheck: { readonly code: number | null; readonly summary: string };
  readonly insertedByte: { readonly blocks: number; readonly bytes: number; readonly hashAgrees: boolean };
  readonly copyBlocks: number;
  /** Peak resident memory in MB (10^6 bytes): of the server phase by phase, of A while it writes, of B while it reads, and of each after that. */
  readonly serverPeakMb: Readonly<Record<'upload' | 'compare' | 'webdav' | 'insert' | 'copy', number>>;
  readonly mountPeakMb: Readonly<Record<'write' | 'read' | 'laterA' | 'laterB', number>>;
}

const password = 'correct horse battery staple';
const sources = ['usr/share/doc', 'usr/include'].filter((path) => existsSync(`/${path}`));

/**
 * A real tree through the drive: unpack the system's documentation and headers and one big file into mount A, drain,
 * compare with mount B (empty cache) and through WebDAV; then put one byte in front of the big file, and copy
 * the whole tree.
 */
export async function runRealTree(bigBytes: number, storage?: ServerStorage): Promise<RealTreeFindings> {
  const stand = await Stand.open(storage);
  try {
    await stand.addUser('ada', password);
    const a = await stand.device('ada', password, 'a');
    const b = await stand.device('ada', password, 'b');
    await a.mount();
    const serverPid = stand.server.child.pid ?? 0;
    const started = performance.now();
    await unpackTree(a);
    await writeRandomFile(a.path('big.bin'), bigBytes, 7);
    await a.drain();
    const uploadSeconds = (performance.now() - started) / 1000;
    const upload = await takePeak(serverPid);
    const write = await takePeak(a.process.child.pid ?? 0);
    await b.mount();
    const differences = await diffTrees(a.mountpoint, b.mountpoint);
    const [factsA, factsB] = await Promise.all([describeTree(a.mountpoint), describeTree(b.mountpoint)]);
    const compare = await takePeak(serverPid);
    const read = await takePeak(b.process.child.pid ?? 0);
    const rcloneCheck = await checkThroughWebdav(stand, a);
    const webdav = await takePeak(serverPid);
    const insertedByte = await insertByteInFront(a, b);
    const insert = await takePeak(serverPid);
    const copyBlocks = await copyTree(a);
    const copy = await takePeak(serverPid);
    const laterA = await takePeak(a.process.child.pid ?? 0);
    const laterB = await takePeak(b.process.child.pid ?? 0);
    await a.unmount();
    await b.unmount();
    return {
      files: factsA.length,
      bigBytes,
      uploadSeconds,
      differences,
      factsDiffer: symmetricDifference(factsA, factsB),
      rcloneCheck,
      insertedByte,
      copyBlocks,
      serverPeakMb: { upload, compare, webdav, insert, copy },
      mountPeakMb: { write, read, laterA, laterB },
    };
  } finally {
    await stand.close();
  }
}

async function unpackTree(device: Device): Promise<void> {
  const script = `tar -C / -cf - ${sources.join(' ')} | tar -C "$1" -xf -`;
  const result = await runCommand('sh', ['-c', script, 'unpack', device.mountpoint], { timeoutMs: 600_000 });
  if (result.code !== 0) throw new Error(`tar ended with ${result.code}: ${result.stderr}`);
}

/** `rclone check` reads every byte through WebDAV. Links are left to the comparison of the mounts. */
async function checkThroughWebdav(stand: Stand, device: Device): Promise<{ code: number | null; summary: string }> {
  const obscured = await runCommand('rclone', ['obscure', password]);
  const environment = {
    RCLONE_CONFIG_DRIVE_TYPE: 'webdav',
    RCLONE_CONFIG_DRIVE_URL: `${stand.url}/dav/ada/`,
    RCLONE_CONFIG_DRIVE_VENDOR: 'other',
    RCLONE_CONFIG_DRIVE_USER: 'ada',
    RCLONE_CONFIG_DRIVE_PASS: obscured.stdout.trim(),
    RCLONE_CONFIG: '/dev/null',
  };
  const args = ['check', '--download', '--one-way', '--skip-links', device.mountpoint, 'drive:'];
  const result = await runCommand('rclone', args, { environment, timeoutMs: 900_000 });
  const lines = result.stderr.split('\n').filter((line) => /differences|matching|ERROR|not found/.test(line));
  return { code: result.code, summary: lines.slice(0, 20).join('\n') };
}

async function insertByteInFront(a: Device, b: Device): Promise<RealTreeFindings['insertedByte']> {
  const before = await a.status();
  const temporary = a.path('big.new');
  const out = createWriteStream(temporary, { flush: true });
  out.write('x');
  await pipeline(createReadStream(a.path('big.bin'), { highWaterMark: 1024 * 1024 }), out);
  await rename(temporary, a.path('big.bin'));
  await a.drain();
  const after = await a.status();
  const hashAgrees = (await hashFile(a.path('big.bin'))) === (await hashFileOnceSame(a, b));
  return {
    blocks: after.uploadedBlocks - before.uploadedBlocks,
    bytes: after.uploadedBytes - before.uploadedBytes,
    hashAgrees,
  };
}

/** B's hash of the big file, once B has applied all that A has committed. */
async function hashFileOnceSame(a: Device, b: Device): Promise<string> {
  const target = (await a.status()).cursor;
  const deadline = AbortSignal.timeout(30_000);
  while ((await b.status()).cursor < target) deadline.throwIfAborted();
  return hashFile(b.path('big.bin'));
}

async function copyTree(device: Device): Promise<number> {
  const before = await device.status();
  await mkdir(device.path('copy'));
  for (const name of await readdir(device.mountpoint)) {
    if (name === 'copy') continue;
    if (name === 'big.bin') await copyFile(device.path(name), device.path('copy', name));
    else await runCommand('cp', ['-a', device.path(name), device.path('copy', name)], { timeoutMs: 600_000 });
  }
  await device.drain();
  return (await device.status()).uploadedBlocks - before.uploadedBlocks;
}

function symmetricDifference(a: readonly string[], b: readonly string[]): string[] {
  const inA = new Set(a);
  const inB = new Set(b);
  return [
    ...a.filter((line) => !inB.has(line)).map((l) => `- ${l}`),
    ...b.filter((l) => !inA.has(l)).map((l) => `+ ${l}`),
  ];
}
