import { Command } from 'commander';
import { formatByteSize } from '../byte-size.ts';
import { askMount } from '../control-client.ts';
import { evictedSchema } from '../control-protocol.ts';
import { mountedPath } from '../mounted-path.ts';
import { printLine, printRemark } from '../output.ts';

const answerTimeoutMs = 600_000;

/** `holdfast evict PATH`: frees the disk now; what is read again is fetched again. */
export function evictCommand(): Command {
  return new Command('evict')
    .description('free the disk of a file or folder that is uploaded; it stays in the drive, and is fetched when read')
    .argument('<PATH>', 'a file or a folder in a mounted drive')
    .addHelpText('before', 'Example:\n  holdfast evict ~/Drive/Films\n')
    .action(async (given: string) => {
      const { mount, path } = await mountedPath(given);
      const answer = await askMount(mount.socket, { method: 'evict', path }, answerTimeoutMs);
      const { freedBytes, dirtyFiles, pinnedFiles, busyFiles } = evictedSchema.parse(answer);
      printLine(`freed ${formatByteSize(freedBytes)}`);
      if (dirtyFiles > 0) printRemark(`${dirtyFiles} files stay: they are not uploaded yet; see "holdfast drain"`);
      if (pinnedFiles > 0) printRemark(`${pinnedFiles} files stay: they are pinned; see "holdfast unpin"`);
      if (busyFiles > 0) printRemark(`${busyFiles} files stay: they are in use; try again later`);
    });
}
