import { Command } from 'commander';
import { askMount } from '../control-client.ts';
import { mountedPath } from '../mounted-path.ts';
import { parseSeconds } from '../seconds.ts';

const answerMarginMs = 10_000;

/** `holdfast pin PATH`: returns when all of it is on the local disk, where it stays. */
export function pinCommand(): Command {
  return new Command('pin')
    .description('keep a file or a folder on this machine, with all that comes into it; waits until it is here')
    .argument('<PATH>', 'a file or a folder in a mounted drive')
    .option('--timeout <seconds>', 'do not wait longer (exit code 75); fetching goes on', parseSeconds, 3600)
    .addHelpText('before', 'Example:\n  holdfast pin ~/Drive/Travel\n')
    .action(async (given: string, options: { timeout: number }) => {
      const { mount, path } = await mountedPath(given);
      const timeoutMs = options.timeout * 1000;
      await askMount(mount.socket, { method: 'pin', path, timeoutMs }, timeoutMs + answerMarginMs);
    });
}
