import { closeSync, constants, openSync } from 'node:fs';
import { DriveError } from '../../protocol/errors.ts';
import { errno } from './errno.ts';
import { filesystemType } from './mount-table.ts';
import type { MountSettings } from './mount-settings.ts';
import { mountFilesystemType, mountFlags } from './system-calls.ts';

const devicePath = '/dev/fuse';

/**
 * Mounts with mount(2), which needs CAP_SYS_ADMIN, and returns the open descriptor of /dev/fuse, or `undefined` where
 * that is not allowed (a container that gives root no such right, say). Throws `unsupported` without /dev/fuse.
 */
export function mountAsRoot(path: string, settings: MountSettings): number | undefined {
  const fd = openDevice();
  const result = mountFilesystemType(
    settings.source,
    path,
    filesystemType,
    mountFlags.noSetuid | mountFlags.noDevices | (settings.readOnly ? mountFlags.readOnly : 0),
    dataOf(fd, settings),
  );
  if (result >= 0) return fd;
  closeSync(fd);
  if (result === -errno.EPERM) return undefined;
  const hint = result === -errno.ENODEV ? ': the kernel has no FUSE (modprobe fuse)' : '';
  throw new DriveError('unsupported', `cannot mount at ${path} (errno ${-result})${hint}`);
}

function openDevice(): number {
  try {
    return openSync(devicePath, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    throw new DriveError(
      'unsupported',
      `cannot open ${devicePath}, without which nothing can be mounted: ${String(cause)}`,
      {
        cause,
      },
    );
  }
}

/** The options of mount(2) that are FUSE's own (Documentation/filesystems/fuse.rst). */
function dataOf(fd: number, settings: MountSettings): string {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const options = [`fd=${fd}`, 'rootmode=40000', `user_id=${uid}`, `group_id=${gid}`, 'default_permissions'];
  if (settings.allowOther) options.push('allow_other');
  return options.join(',');
}
