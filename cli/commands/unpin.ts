import { Command } from 'commander';
import { askMount } from '../control-client.ts';
import { mountedPath } from '../mounted-path.ts';

const answerTimeoutMs = 60_000;

/** `holdfast unpin PATH`: it may be evicted again, when room is needed. */
export function unpinCommand(): Command {
  return new Command('unpin')
    .description('let a pinned file or folder go from this machine when room is needed')
    .argument('<PATH>', 'what was pinned')
    .addHelpText('before', 'Example:\n  holdfast unpin ~/Drive/Travel\n')
    .action(async (given: string) => {
      const { mount, path } = await mountedPath(given);
      await askMount(mount.socket, { method: 'unpin', path }, answerTimeoutMs);
    });
}
