import { Command } from 'commander';
import { formatByteSize } from '../byte-size.ts';
import { formatTable, printJson, printLine } from '../output.ts';

/** `holdfast log PATH`: the versions that have stood at a path of a mount. */
export function logCommand(): Command {
  return new Command('log')
    .description('list the versions of a file, those it replaced and deleted ones included')
    .argument('<PATH>', 'a file in a mounted drive; it need not exist any more')
    .option('--json', 'print a JSON array, newest first')
    .addHelpText('before', 'Example:\n  holdfast log ~/Drive/report.txt\n')
    .action(async (path: string, options: { json?: boolean }) => {
      const { openPlace } = await import('../remote-place.ts');
      using remote = await openPlace(path);
      const versions = await remote.drive.versions(remote.namespace, remote.place);
      if (options.json === true) {
        printJson(versions.map(({ version, size, timeMs, author }) => ({ version, size, timeMs, author })));
        return;
      }
      const rows = versions.map(({ version, size, timeMs, author }) => [
        String(version),
        new Date(timeMs).toISOString(),
        formatByteSize(size),
        author,
      ]);
      for (const line of formatTable([['VERSION', 'TIME', 'SIZE', 'AUTHOR'], ...rows])) printLine(line);
    });
}
