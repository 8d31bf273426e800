import { accessSync, constants, existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';

/** Why nothing can be mounted here, or `undefined` if it can. */
export function whyNoMount(): string | undefined {
  if (process.platform !== 'linux') return 'mounts are tested on Linux only';
  if (!existsSync('/dev/fuse')) return 'this machine has no /dev/fuse';
  if (!mayUse('/dev/fuse')) return '/dev/fuse is closed to this user (see test/fuse/driver/open-device.sh)';
  if (process.getuid?.() !== 0 && spawnSync('fusermount3', ['--version']).error !== undefined) {
    return 'fusermount3 is missing (Debian: fuse3)';
  }
  return undefined;
}

function mayUse(device: string): boolean {
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why a program cannot be used here, or `undefined` if it can. */
export function whyNoProgram(program: string, debianPackage: string): string | undefined {
  const found = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
  return found ? undefined : `${program} is missing (Debian: ${debianPackage})`;
}

/** Says on the terminal that a suite is skipped, and why; returns whether it is. */
export function skipLoudly(suite: string, ...reasons: readonly (string | undefined)[]): boolean {
  const [reason] = reasons.filter((one) => one !== undefined);
  if (reason === undefined) return false;
  process.stderr.write(`SKIPPED ${suite}: ${reason}\n`);
  return true;
}
