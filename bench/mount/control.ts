import { askMount } from '../../cli/control-client.ts';
import { mountStatusSchema } from '../../cli/control-protocol.ts';
import type { MountStatus } from '../../cli/control-protocol.ts';
import { placesFor } from '../../cli/places.ts';
import { RunningMounts } from '../../cli/running-mounts.ts';
import type { Device } from '../../test/end-to-end/stand.ts';

const askTimeoutMs = 600_000;

function socketOf(device: Device): string {
  return new RunningMounts(placesFor({ HOME: device.home }).running).socketOf(device.mountpoint);
}

/** Waits until nothing is dirty, without the start of another process that `holdfast drain` would be. */
export async function drain(device: Device): Promise<void> {
  await askMount(socketOf(device), { method: 'drain', timeoutMs: askTimeoutMs }, askTimeoutMs);
}

export async function statusOf(device: Device): Promise<MountStatus> {
  return mountStatusSchema.parse(await askMount(socketOf(device), { method: 'status' }, askTimeoutMs));
}

/** Waits until `device` shows all that `other` has committed. */
export async function caughtUp(device: Device, other: Device): Promise<void> {
  const { cursor } = await statusOf(other);
  const deadline = AbortSignal.timeout(60_000);
  while ((await statusOf(device)).cursor < cursor) deadline.throwIfAborted();
}
