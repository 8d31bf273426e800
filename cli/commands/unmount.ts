import { Command } from 'commander';
import { askMount } from '../control-client.ts';
import { withDrainProgress } from '../drain-progress.ts';
import { placesFor } from '../places.ts';
import { RunningMounts } from '../running-mounts.ts';
import { parseSeconds } from '../seconds.ts';

const answerMarginMs = 30_000;

/** `holdfast unmount`: drains for a while, then takes the mount away. What could not be uploaded stays safe on disk. */
export function unmountCommand(): Command {
  return new Command('unmount')
    .description('upload what is left, then unmount')
    .argument('[DIR]', 'the mount; not needed if there is only one')
    .option('--timeout <seconds>', 'how long to try to upload what is left', parseSeconds, 60)
    .option('--force', 'do not upload first; what is left is kept and goes on at the next mount')
    .addHelpText('before', 'Example:\n  holdfast unmount ~/Drive\n')
    .action(async (directory: string | undefined, options: { timeout: number; force?: boolean }) => {
      const mount = await new RunningMounts(placesFor(process.env).running).chosen(directory);
      const timeoutMs = options.timeout * 1000;
      if (options.force !== true) {
        await withDrainProgress(mount, () =>
          askMount(mount.socket, { method: 'drain', timeoutMs }, timeoutMs + answerMarginMs),
        );
      }
      await askMount(mount.socket, { method: 'unmount', force: options.force === true }, answerMarginMs);
    });
}
