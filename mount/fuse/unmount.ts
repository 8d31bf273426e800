import { open } from 'node:fs/promises';
import { DriveError } from '../../protocol/errors.ts';
import { errno } from './errno.ts';
import { runFusermount } from './fusermount.ts';
import { syncFilesystem, unmountFlags, unmountTarget } from './system-calls.ts';

/**
 * Takes the mount at `path` out of the tree: at once for new callers; files that are still open keep it alive behind
 * the scenes. Does nothing if nothing is mounted there. Throws `forbidden` if it is somebody else's.
 */
export async function unmountPath(path: string): Promise<void> {
  const plain = await unmountTarget(path, 0);
  if (plain >= 0 || plain === -errno.EINVAL || plain === -errno.ENOENT) return;
  if (plain === -errno.EPERM || plain === -errno.EACCES) return unmountAsUser(path);
  const detached = await unmountTarget(path, unmountFlags.detach);
  if (detached < 0 && detached !== -errno.EINVAL) {
    throw new DriveError('internal', `cannot unmount ${path} (errno ${-detached})`);
  }
}

/**
 * Has the kernel write back what programs changed in mappings of files. An unmount does that by itself, but not where
 * something is still in use. That the mount is gone already, or that the pages could not be written, is no reason to stay.
 */
export async function writeBack(path: string): Promise<void> {
  let directory;
  try {
    directory = await open(path, 'r');
  } catch {
    return;
  }
  try {
    await syncFilesystem(directory.fd);
  } finally {
    await directory.close();
  }
}

async function unmountAsUser(path: string): Promise<void> {
  const plain = await runFusermount(['-u', '--', path]);
  if (plain.exitCode === 0) return;
  const lazy = await runFusermount(['-u', '-z', '--', path]);
  if (lazy.exitCode === 0 || /not (found|mounted)|Invalid argument/i.test(lazy.errorText)) return;
  throw new DriveError('forbidden', `cannot unmount ${path}: ${lazy.errorText}`);
}
