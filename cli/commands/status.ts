import { Command } from 'commander';
import { formatByteSize } from '../byte-size.ts';
import type { MountStatus } from '../control-protocol.ts';
import { formatTable, printJson, printLine } from '../output.ts';
import { placesFor } from '../places.ts';
import { RunningMounts, statusOf } from '../running-mounts.ts';

/** `holdfast status`: what is mounted here, and what is not yet uploaded. */
export function statusCommand(): Command {
  return new Command('status')
    .description('list the mounted drives and what is not yet uploaded')
    .option('--json', 'print a JSON array, one object a mount')
    .addHelpText('before', 'Example:\n  holdfast status --json\n')
    .action(async (options: { json?: boolean }) => {
      const mounts = await new RunningMounts(placesFor(process.env).running).all();
      const statuses = (await Promise.all(mounts.map(statusOf))).filter((status) => status !== undefined);
      if (options.json === true) printJson(statuses);
      else for (const line of describe(statuses)) printLine(line);
    });
}

function describe(statuses: readonly MountStatus[]): string[] {
  if (statuses.length === 0) return ['no drive is mounted; run "holdfast mount DIR"'];
  const head = ['PATH', 'SERVER', 'CONNECTED', 'TO UPLOAD', 'UPLOADED', 'HYDRATED', 'CACHED', 'PINNED', 'CONFLICTS'];
  const rows = statuses.map((status) => [
    status.path,
    status.server,
    status.connected ? 'yes' : 'no',
    `${status.dirtyEntries} (${formatByteSize(status.dirtyBytes)})`,
    formatByteSize(status.uploadedBytes),
    formatByteSize(status.hydratedBytes),
    formatByteSize(status.cachedBytes),
    formatByteSize(status.pinnedBytes),
    String(status.conflicts),
  ]);
  const errors = statuses.flatMap((status) =>
    status.lastError === null ? [] : [`${status.path}: ${status.lastError}`],
  );
  return [...formatTable([head, ...rows]), ...errors];
}
