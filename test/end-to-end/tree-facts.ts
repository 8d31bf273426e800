import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { runCommand } from './process.ts';

const mib = 1024 * 1024;

/** Writes `byteLength` pseudo-random bytes that depend only on `seed`, and returns when they are fsynced. */
export async function writeRandomFile(path: string, byteLength: number, seed: number): Promise<void> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  const zeros = Buffer.alloc(mib);
  const out = createWriteStream(path, { flush: true });
  for (let left = byteLength; left > 0; left -= mib) {
    const piece = cipher.update(left < mib ? zeros.subarray(0, left) : zeros);
    if (!out.write(piece)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
}

/** The SHA-256 of a file, read as a stream. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: mib })) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** Path, kind, mode, modification time, link target and size of everything below `directory`, one a line, sorted. */
export async function describeTree(directory: string): Promise<string[]> {
  const format = '%P\\t%y\\t%m\\t%n\\t%T@\\t%l\\t%s\\n';
  const found = await runCommand('find', [directory, '-mindepth', '1', '-printf', format]);
  if (found.code !== 0) throw new Error(`find failed: ${found.stderr}`);
  // A directory's size is the filesystem's own affair.
  const lines = found.stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => (line.split('\t')[1] === 'd' ? line.replace(/\t\d+$/, '') : line)).sort();
}

/** What `diff -r` has to say about two trees; empty if they are the same. Links are compared, not followed. */
export async function diffTrees(a: string, b: string): Promise<string> {
  const result = await runCommand('diff', ['-r', '--no-dereference', a, b], { timeoutMs: 600_000 });
  return result.stdout + result.stderr;
}

/** The peak resident memory of a process so far, in MiB. */
export async function peakMemoryMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
}

/** The peak resident memory of a process since the last call, in MB of 10^6 bytes (proc(5), clear_refs: 5 resets it). */
export async function takePeak(pid: number): Promise<number> {
  const peak = Math.round((await peakMemoryMib(pid)) * 1.048576);
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  return peak;
}
