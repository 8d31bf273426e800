import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { DriveError } from '../../protocol/errors.ts';
import { firstLogin } from '../first-login.ts';
import { showLiveState } from '../live-state.ts';
import { Logins } from '../logins.ts';
import { MountChild } from '../mount-child.ts';
import { printLine, printRemark } from '../output.ts';
import { placesFor } from '../places.ts';
import { RunningMounts } from '../running-mounts.ts';
import { serverStorage } from '../server-storage.ts';
import { untilStopped } from '../stop-signals.ts';

interface UpOptions {
  readonly data?: string;
  readonly mount?: string;
  readonly listen: string;
}

/** `holdfast up`: a server, WebDAV and a mounted drive on this machine, with embedded defaults. */
export function upCommand(): Command {
  return new Command('up')
    .description('run everything on this machine: server, WebDAV and a mounted drive; Ctrl-C stops it cleanly')
    .option('--data <dir>', 'where all is kept (default: ~/.local/share/holdfast)')
    .option('--mount <dir>', 'where the drive appears (default: ~/Holdfast)')
    .option('--listen <host:port>', 'where the server listens', '127.0.0.1:7420')
    .addHelpText('before', 'Example:\n  holdfast up --mount ~/Drive\n')
    .action(runUp);
}

async function runUp(options: UpOptions): Promise<void> {
  const places = placesFor(process.env);
  const storage = serverStorage(options.data === undefined ? {} : { data: options.data });
  const stopped = untilStopped();
  const { startServer } = await import('../server.ts');
  const server = await startServer({ storage, listen: options.listen, logLevel: 'warn' });
  let mount: MountChild | undefined;
  try {
    const login = await firstLogin(server, storage.directory, localUserName());
    await new Logins(places.logins).save({ server: server.url, userName: login.userName, token: login.token });
    printLine(`WebDAV    ${server.url}/dav/${encodeURIComponent(login.userName)}/`);
    printLine(`user      ${login.userName}`);
    if (login.password !== undefined) printLine(`password  ${login.password}   (shown this once)`);
    const mountpoint = resolve(options.mount ?? places.mountpoint);
    mount = await tryMount(mountpoint, server.url, storage.directory);
    if (mount !== undefined) printLine(`drive     ${mountpoint}`);
    printLine('Ctrl-C stops it; nothing is lost.');
    const watching = mount === undefined ? undefined : showLiveState(new RunningMounts(places.running), mountpoint);
    await Promise.race([stopped, ...(mount === undefined ? [] : [mount.ended])]);
    watching?.stop();
  } finally {
    await mount?.stop();
    await server.close();
  }
}

/** Mounts, or says why there is no mount: the server is of use without. */
async function tryMount(mountpoint: string, url: string, directory: string): Promise<MountChild | undefined> {
  try {
    const args = ['--server', url, '--cache', join(directory, 'mount')];
    return await MountChild.start(mountpoint, args, join(directory, 'mount.log'));
  } catch (error) {
    if (!(error instanceof DriveError)) throw error;
    printRemark(`no mount: ${error.message}`);
    return undefined;
  }
}

/** What the first user is called: as on this machine, where this machine knows. */
function localUserName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in passwd, as in a container.
    return 'owner';
  }
}
