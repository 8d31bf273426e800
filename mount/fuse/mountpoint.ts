import { readdir, realpath, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { DriveError } from '../../protocol/errors.ts';
import { filesystemType, mountAt } from './mount-table.ts';
import { unmountPath } from './unmount.ts';

/** A mount that does not answer so long is taken for hung. */
const answerTimeoutMs = 5_000;

/** One on top of another is already rare. */
const staleMountsMax = 8;

/**
 * Makes sure that `directory` can be mounted on and returns its path without symlinks. A mount of ours whose process
 * died is taken away first. Throws `notFound`, `notDirectory`, `notEmpty` (its files would be hidden) or `exists` (a
 * live mount of ours is there).
 */
export async function prepareMountpoint(directory: string): Promise<string> {
  const path = await canonicalPath(directory);
  for (let attempt = 0; attempt < staleMountsMax; attempt += 1) {
    if (!(await isStale(path))) break;
    await unmountPath(path);
  }
  if ((await mountAt(path))?.type === filesystemType) {
    throw new DriveError(
      'exists',
      `Holdfast is mounted at ${path} already; unmount it first (holdfast unmount ${path})`,
    );
  }
  const stats = await statMountpoint(path);
  if (!stats.isDirectory()) throw new DriveError('notDirectory', `cannot mount at ${path}: it is not a directory`);
  if ((await readdir(path)).length > 0) {
    throw new DriveError('notEmpty', `cannot mount at ${path}: its files would be hidden; choose an empty directory`);
  }
  return path;
}

/** Without following the last component, which a dead mount would refuse. */
async function canonicalPath(directory: string): Promise<string> {
  const absolute = resolve(directory);
  if ((await mountAt(absolute)) !== undefined) return absolute;
  try {
    return await realpath(absolute);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOTCONN') return join(await realpath(dirname(absolute)), basename(absolute));
    throw missing(absolute, error);
  }
}

/** Whether a mount of ours is at `path` whose process is gone (ENOTCONN) or ended its connection (ECONNABORTED). */
async function isStale(path: string): Promise<boolean> {
  if ((await mountAt(path))?.type !== filesystemType) return false;
  const given = new AbortController();
  const timeout = sleepFor(answerTimeoutMs, undefined, { signal: given.signal }).then(() => {
    throw new DriveError('timeout', `what is mounted at ${path} does not answer; unmount it (umount -l ${path})`);
  });
  try {
    // The kernel answers stat from attributes it knows, for a dead mount too; statfs it always asks for.
    await Promise.race([statfs(path), timeout]);
    return false;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOTCONN' || code === 'ECONNABORTED') return true;
    // Alive, and another user's who shows it to nobody.
    if (code === 'EACCES') return false;
    throw error;
  } finally {
    given.abort();
    timeout.catch(() => undefined);
  }
}

async function statMountpoint(path: string): ReturnType<typeof stat> {
  try {
    return await stat(path);
  } catch (error) {
    const foreign = await mountAt(path);
    if ((error as NodeJS.ErrnoException).code === 'ENOTCONN' && foreign !== undefined) {
      throw new DriveError(
        'exists',
        `cannot mount at ${path}: a dead mount that is not Holdfast's (${foreign.type}) is there; unmount it first (umount ${path})`,
        { cause: error },
      );
    }
    throw missing(path, error);
  }
}

function missing(path: string, cause: unknown): DriveError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') {
    return new DriveError('notFound', `cannot mount at ${path}: no such directory; make it first (mkdir ${path})`, {
      cause,
    });
  }
  return new DriveError('forbidden', `cannot mount at ${path}: ${String(cause)}`, { cause });
}
