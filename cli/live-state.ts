import { setTimeout as pause } from 'node:timers/promises';
import { asDriveError, isDriveError } from '../protocol/errors.ts';
import { formatByteSize } from './byte-size.ts';
import type { MountStatus } from './control-protocol.ts';
import { printRemark } from './output.ts';
import { statusOf, type RunningMounts } from './running-mounts.ts';

const refreshMs = 1000;

/** Keeps one line on the terminal that says how the mount is; elsewhere it writes nothing. */
export function showLiveState(mounts: RunningMounts, mountpoint: string): { stop(): void } {
  const stopping = new AbortController();
  if (process.stderr.isTTY) {
    void follow(mounts, mountpoint, stopping.signal).catch((error: unknown) => {
      if (!stopping.signal.aborted) printRemark(`the live state stops: ${asDriveError(error).message}`);
    });
  }
  return { stop: () => stopping.abort() };
}

async function follow(mounts: RunningMounts, mountpoint: string, signal: AbortSignal): Promise<void> {
  let shown = '';
  while (!signal.aborted) {
    const line = describe(await currentStatus(mounts, mountpoint));
    if (line !== shown) process.stderr.write(`\r\u001b[K${line}`);
    shown = line;
    await pause(refreshMs, undefined, { signal });
  }
}

async function currentStatus(mounts: RunningMounts, mountpoint: string): Promise<MountStatus | undefined> {
  try {
    return await statusOf(await mounts.containing(mountpoint));
  } catch (error) {
    if (isDriveError(error, 'notFound') || isDriveError(error, 'timeout')) return undefined;
    throw error;
  }
}

function describe(status: MountStatus | undefined): string {
  if (status === undefined) return 'the mount does not answer';
  const waiting =
    status.dirtyEntries === 0 ? 'all saved' : `${status.dirtyEntries} to upload (${formatByteSize(status.dirtyBytes)})`;
  const parts = [
    status.connected ? 'connected' : 'offline',
    waiting,
    `uploaded ${formatByteSize(status.uploadedBytes)}`,
    `fetched ${formatByteSize(status.hydratedBytes)}`,
  ];
  if (status.conflicts > 0) parts.push(`${status.conflicts} conflicted copies`);
  return parts.join(' · ');
}
