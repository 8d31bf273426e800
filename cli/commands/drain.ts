import { Command } from 'commander';
import { askMount } from '../control-client.ts';
import { withDrainProgress } from '../drain-progress.ts';
import { placesFor } from '../places.ts';
import { RunningMounts } from '../running-mounts.ts';
import { parseSeconds } from '../seconds.ts';

const answerMarginMs = 5_000;

/** `holdfast drain`: returns when nothing on the mount is dirty. */
export function drainCommand(): Command {
  return new Command('drain')
    .description('wait until everything changed on a mount is on the server')
    .argument('[DIR]', 'the mount; not needed if there is only one')
    .option('--timeout <seconds>', 'give up after this long (exit code 75)', parseSeconds, 3600)
    .addHelpText('before', 'Example:\n  holdfast drain ~/Drive --timeout 60 && poweroff\n')
    .action(async (directory: string | undefined, options: { timeout: number }) => {
      const mount = await new RunningMounts(placesFor(process.env).running).chosen(directory);
      const timeoutMs = options.timeout * 1000;
      await withDrainProgress(mount, () =>
        askMount(mount.socket, { method: 'drain', timeoutMs }, timeoutMs + answerMarginMs),
      );
    });
}
