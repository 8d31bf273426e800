import { Command } from 'commander';
import { DriveError, isDriveError } from '../../protocol/errors.ts';
import { askMount } from '../control-client.ts';
import { withDrainProgress } from '../drain-progress.ts';
import { describeLeft } from '../left-behind.ts';
import { printRemark } from '../output.ts';
import { placesFor } from '../places.ts';
import { RunningMounts, statusOf, type RunningMount } from '../running-mounts.ts';
import { parseSeconds } from '../seconds.ts';

const answerMarginMs = 30_000;

/** `holdfast unmount`: drains for a while, then takes the mount away. What could not be uploaded stays safe on disk. */
export function unmountCommand(): Command {
  return new Command('unmount')
    .description('upload what is left, then unmount; stays mounted if that takes too long')
    .argument('[DIR]', 'the mount; not needed if there is only one')
    .option('--timeout <seconds>', 'how long to try to upload what is left (exit code 75)', parseSeconds, 60)
    .option('--force', 'do not upload first; what is left is kept, and goes on at the next mount')
    .addHelpText('before', 'Example:\n  holdfast unmount ~/Drive\n')
    .action(async (directory: string | undefined, options: { timeout: number; force?: boolean }) => {
      const mount = await new RunningMounts(placesFor(process.env).running).chosen(directory);
      const force = options.force === true;
      if (force) {
        const status = await statusOf(mount);
        if (status !== undefined && status.dirtyEntries > 0) printRemark(describeLeft(status));
      } else {
        await drain(mount, options.timeout * 1000);
      }
      await askMount(mount.socket, { method: 'unmount', force }, answerMarginMs);
    });
}

/** Throws `timeout` with what is left, where, and what to do. */
async function drain(mount: RunningMount, timeoutMs: number): Promise<void> {
  try {
    await withDrainProgress(mount, () =>
      askMount(mount.socket, { method: 'drain', timeoutMs }, timeoutMs + answerMarginMs),
    );
  } catch (error) {
    if (!isDriveError(error, 'timeout')) throw error;
    const status = await statusOf(mount);
    if (status === undefined) throw error;
    const { path, lastError } = status;
    const why = lastError === null ? '' : ` (${lastError})`;
    throw new DriveError(
      'timeout',
      `still mounted: ${describeLeft(status)}${why}; unmount all the same with "holdfast unmount --force ${path}"`,
      { cause: error },
    );
  }
}
