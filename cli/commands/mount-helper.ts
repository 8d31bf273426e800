import { resolve } from 'node:path';
import { Command } from 'commander';
import { DriveError } from '../../protocol/errors.ts';
import { parseFstabMount } from '../fstab-options.ts';
import { Logins } from '../logins.ts';
import { MountChild } from '../mount-child.ts';
import { placesFor } from '../places.ts';
import { RunningMounts } from '../running-mounts.ts';

interface HelperOptions {
  readonly o: readonly string[];
  readonly s?: boolean;
  readonly f?: boolean;
}

/** `holdfast mount-helper`: what bin/mount.holdfast runs for mount(8), with the arguments that this gives a helper. */
export function mountHelperCommand(): Command {
  return new Command('mount-helper')
    .description('mount as a line of /etc/fstab says; for mount(8), by way of mount.holdfast')
    .argument('<SPEC>', 'https://HOST[:PORT][/DRIVE]')
    .argument('<DIR>')
    .option('-o <options>', 'with commas between them', (text, before: readonly string[]) => [...before, text], [])
    .option('-s', 'overlook options that are not known')
    .option('-f', 'check everything and mount nothing')
    .option('-n', 'nothing: there is no mtab to write')
    .option('-v', 'nothing: there is no more to say')
    .option('-t <type>', 'nothing: there is one type')
    .option('-N <namespace>', 'nothing: mount(8) enters the mount namespace by itself')
    .addHelpText(
      'before',
      'Example of a line of /etc/fstab:\n  https://drive.example:7420 /mnt/drive holdfast cache-size=50GiB,_netdev,nofail 0 0\n',
    )
    .action(async (spec: string, directory: string, options: HelperOptions) => {
      const wanted = parseFstabMount(spec, options.o.join(','), options.s === true);
      const environment = wanted.home === undefined ? process.env : homeEnvironment(wanted.home);
      const places = placesFor(environment);
      const login = await new Logins(places.logins).find(wanted.server);
      if (wanted.userName !== undefined && wanted.userName !== login.userName) {
        throw new DriveError(
          'unauthenticated',
          `the login at ${wanted.server} is ${login.userName}'s; run "holdfast login ${wanted.server} --user ${wanted.userName}"`,
        );
      }
      if (options.f === true) return;
      const mountpoint = resolve(directory);
      const args = ['--server', wanted.server, '--fsname', spec, ...wanted.args];
      if (wanted.namespace !== undefined) args.push('--namespace', wanted.namespace);
      const log = new RunningMounts(places.running).logOf(mountpoint);
      (await MountChild.start(mountpoint, args, log, environment)).letGo();
    });
}

/** As for a user with that home. */
function homeEnvironment(home: string): NodeJS.ProcessEnv {
  return { ...process.env, HOME: home, XDG_DATA_HOME: '', XDG_STATE_HOME: '', XDG_CONFIG_HOME: '' };
}
