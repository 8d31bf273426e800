import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { parseByteSize } from '../byte-size.ts';
import { MountChild } from '../mount-child.ts';
import { Logins } from '../logins.ts';
import { printLine } from '../output.ts';
import { parseSeconds } from '../seconds.ts';
import { placesFor } from '../places.ts';
import { RunningMounts } from '../running-mounts.ts';

interface MountOptions {
  readonly server?: string;
  readonly namespace?: string;
  readonly cache?: string;
  readonly cacheSize: string;
  readonly sync: 'local' | 'remote';
  readonly syncTimeout: number;
  readonly ioTimeout: number;
  readonly readOnly?: boolean;
  readonly fsname?: string;
  readonly foreground?: boolean;
}

/** `holdfast mount DIR`: shows a drive as a folder of this machine. */
export function mountCommand(): Command {
  return new Command('mount')
    .description('show your drive as a folder; returns once it is there')
    .argument('<DIR>', 'an empty folder; made if it is not there')
    .option('--server <url>', 'which login to use (default: the latest)')
    .option('--namespace <name>', "which drive (default: the user's own)")
    .option('--cache <dir>', 'where the replica and file contents are kept (default: below ~/.local/state/holdfast)')
    .option('--cache-size <size>', 'how much local disk the contents of uploaded files may take', '20GiB')
    .addOption(
      new Option('--sync <mode>', 'fsync returns when data is on the local disk, or on the server')
        .choices(['local', 'remote'])
        .default('local'),
    )
    .option('--sync-timeout <seconds>', 'with --sync remote, how long fsync waits for the server', parseSeconds, 60)
    .option('--io-timeout <seconds>', 'how long a read waits for a silent server before it fails', parseSeconds, 60)
    .option('--read-only', 'refuse every change on this mount')
    .addOption(new Option('--fsname <text>', 'what the mount table calls it').hideHelp())
    .option('--foreground', 'stay in the foreground until unmounted')
    .addHelpText('before', 'Example:\n  holdfast mount ~/Drive --cache-size 50GiB\n')
    .action(async (directory: string, options: MountOptions) => {
      const mountpoint = resolve(directory);
      if (options.foreground !== true) {
        const log = new RunningMounts(placesFor(process.env).running).logOf(mountpoint);
        (await MountChild.start(mountpoint, argumentsOf(options), log)).letGo();
        printLine(`mounted on ${mountpoint}`);
        return;
      }
      const places = placesFor(process.env);
      const login = await new Logins(places.logins).find(options.server);
      await mkdir(mountpoint, { recursive: true }).catch((error: unknown) => {
        // A mountpoint whose process died answers ENOTCONN or EEXIST; mounting clears it.
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== 'ENOTCONN' && code !== 'EEXIST') throw error;
      });
      const { runMount } = await import('../mount-process.ts');
      await runMount({
        mountpoint,
        login,
        namespace: options.namespace,
        cacheDirectory: (namespaceId) =>
          options.cache === undefined
            ? join(places.mounts, `${shortHash(login.server)}-${namespaceId}`)
            : resolve(options.cache),
        cacheBytesMax: parseByteSize(options.cacheSize),
        syncMode: options.sync,
        syncTimeoutMs: Math.ceil(options.syncTimeout * 1000),
        ioTimeoutMs: Math.ceil(options.ioTimeout * 1000),
        readOnly: options.readOnly === true,
        fsname: options.fsname,
        running: places.running,
        remembered: places.mounts,
      });
    });
}

/** The same options, as arguments for the process that mounts. */
function argumentsOf(options: MountOptions): string[] {
  const args = ['--cache-size', options.cacheSize, '--sync', options.sync];
  args.push('--sync-timeout', String(options.syncTimeout), '--io-timeout', String(options.ioTimeout));
  if (options.server !== undefined) args.push('--server', options.server);
  if (options.namespace !== undefined) args.push('--namespace', options.namespace);
  if (options.cache !== undefined) args.push('--cache', options.cache);
  if (options.readOnly === true) args.push('--read-only');
  if (options.fsname !== undefined) args.push('--fsname', options.fsname);
  return args;
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
