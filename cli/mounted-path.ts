import { relative, resolve, sep } from 'node:path';
import { placesFor } from './places.ts';
import { RunningMounts, type RunningMount } from './running-mounts.ts';

/** A path of this machine, as the mount that holds it knows it. */
export interface MountedPath {
  readonly mount: RunningMount;
  /** From the root of the drive, `/` between names. */
  readonly path: string;
}

/** Finds the mount that holds `path`, whether or not there is something at it. Throws `notFound`. */
export async function mountedPath(path: string): Promise<MountedPath> {
  const absolute = resolve(path);
  const mount = await new RunningMounts(placesFor(process.env).running).containing(absolute);
  return { mount, path: relative(mount.path, absolute).split(sep).join('/') };
}
