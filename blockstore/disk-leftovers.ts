import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from './disk-errors.ts';

/** A name for a temporary file that tells which process writes it. */
export function temporaryName(unique: string): string {
  return `${process.pid}.${unique}`;
}

/**
 * Removes the temporary files whose writer is dead: its process is gone, or has this process's id and is older than this
 * process. Those of other living processes stay. Should one be wrongly taken (two machines on one directory), its put
 * fails and stores nothing.
 */
export async function removeLeftovers(directory: string): Promise<void> {
  const startedMs = Date.now() - process.uptime() * 1000;
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const pid = Number(name.split('.', 1)[0]);
    const dead = pid === process.pid ? await isOlder(path, startedMs) : !isAlive(pid);
    if (dead) await ignoreMissing(unlink(path));
  }
}

async function isOlder(path: string, timeMs: number): Promise<boolean> {
  const stats = await ignoreMissing(stat(path));
  return stats !== undefined && stats.mtimeMs < timeMs;
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasErrno(error, 'ESRCH');
  }
}

async function ignoreMissing<Result>(call: Promise<Result>): Promise<Result | undefined> {
  try {
    return await call;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
