import { DriveError } from '../../protocol/errors.ts';
import { errno } from './errno.ts';
import { runFusermount } from './fusermount.ts';
import { unmountFlags, unmountTarget } from './system-calls.ts';

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

async function unmountAsUser(path: string): Promise<void> {
  const plain = await runFusermount(['-u', '--', path]);
  if (plain.exitCode === 0) return;
  const lazy = await runFusermount(['-u', '-z', '--', path]);
  if (lazy.exitCode === 0 || /not (found|mounted)|Invalid argument/i.test(lazy.errorText)) return;
  throw new DriveError('forbidden', `cannot unmount ${path}: ${lazy.errorText}`);
}
