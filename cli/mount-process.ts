import { pino } from 'pino';
import { openMount, type OpenMount } from '../mount/open-mount.ts';
import { RemoteDrive } from '../mount/remote/remote-drive.ts';
import { RemoteNotifications } from '../mount/remote/remote-notifications.ts';
import { isDriveError } from '../protocol/errors.ts';
import type { NamespaceId } from '../protocol/ids.ts';
import { systemClock, systemRandomness } from '../protocol/system-environment.ts';
import type { ControlRequest } from './control-protocol.ts';
import { ControlServer } from './control-server.ts';
import { describeLeft } from './left-behind.ts';
import type { Login } from './logins.ts';
import { KnownNamespaces } from './known-namespaces.ts';
import { printLine, printRemark } from './output.ts';
import { RunningMounts } from './running-mounts.ts';
import { untilStopped } from './stop-signals.ts';

export interface MountProcessOptions {
  readonly mountpoint: string;
  readonly login: Login;
  /** Its name or id; the user's own if not given. */
  readonly namespace: string | undefined;
  readonly cacheDirectory: (namespace: NamespaceId) => string;
  readonly cacheBytesMax: number;
  readonly syncMode: 'local' | 'remote';
  /** How long an fsync waits for the server in mode `remote`. */
  readonly syncTimeoutMs: number;
  /** How long a read waits for a silent server. */
  readonly ioTimeoutMs: number;
  readonly readOnly: boolean;
  /** What the mount table calls it, if not "holdfast". */
  readonly fsname: string | undefined;
  /** Folder of control sockets. */
  readonly running: string;
  /** Folder in which the names of namespaces are remembered, for a start without the server. */
  readonly remembered: string;
}

/** How long a stop by signal tries to upload what is left; the rest goes on at the next mount. */
const stopDrainMs = 10_000;
const askTimeouts = { connectMs: 10_000, headersMs: 10_000, idleMs: 10_000 };

/** Mounts, serves the control socket, and returns once it is unmounted: by a signal, a command, or `umount`. */
export async function runMount(options: MountProcessOptions): Promise<void> {
  const { login, mountpoint } = options;
  const stopped = untilStopped();
  const server = { url: login.server, token: login.token };
  const environment = { clock: systemClock, randomness: systemRandomness };
  const remote = new RemoteDrive(server);
  try {
    const namespace = await chooseNamespace(options);
    const cacheDirectory = options.cacheDirectory(namespace.id);
    const mount = await openMount({
      directory: mountpoint,
      cacheDirectory,
      namespace: namespace.id,
      remote,
      hangUp: () => remote.close(),
      notifications: (listener) => new RemoteNotifications({ server, listener, ...environment }),
      cacheBytesMax: options.cacheBytesMax,
      syncMode: options.syncMode,
      ioTimeoutMs: options.ioTimeoutMs,
      readOnly: options.readOnly,
      ...(options.fsname === undefined ? {} : { driver: { source: options.fsname } }),
      timings: { committedMs: options.syncTimeoutMs },
      ...environment,
      logger: pino({ level: 'warn' }, pino.destination({ fd: 2, sync: false })),
    });
    await serveUntilUnmounted(mount, { ...options, cacheDirectory, namespaceName: namespace.name }, stopped);
  } finally {
    remote.close();
  }
}

/** Does not wait long for a server that said before what the name means. */
async function chooseNamespace(options: MountProcessOptions): ReturnType<KnownNamespaces['choose']> {
  const { login, namespace, remembered } = options;
  const drive = new RemoteDrive({ url: login.server, token: login.token, timeouts: askTimeouts });
  try {
    return await new KnownNamespaces(remembered).choose(drive, login.server, namespace);
  } finally {
    drive.close();
  }
}

type ServedMount = Pick<MountProcessOptions, 'mountpoint' | 'login' | 'running'> & {
  readonly cacheDirectory: string;
  readonly namespaceName: string;
};

async function serveUntilUnmounted(
  mount: OpenMount,
  options: ServedMount,
  stopped: Promise<NodeJS.Signals>,
): Promise<void> {
  const { mountpoint, login, namespaceName, cacheDirectory } = options;
  const running = new RunningMounts(options.running);
  const described = { path: mountpoint, server: login.server, namespace: namespaceName, pid: process.pid };
  await running.prepare();
  const control = await ControlServer.listen(running.socketOf(mountpoint), async (request) => {
    if (request.method === 'status') return { ...described, cacheDirectory, ...mount.status() };
    return obey(mount, request);
  });
  try {
    await running.announce(described);
    printLine(`mounted on ${mountpoint}`);
    const signal = await Promise.race([stopped, mount.closed]);
    if (signal !== undefined) await stop(mount, cacheDirectory);
    await mount.closed;
  } finally {
    await running.withdraw(mountpoint);
    await control.close();
  }
}

async function obey(mount: OpenMount, request: Exclude<ControlRequest, { method: 'status' }>): Promise<object> {
  switch (request.method) {
    case 'drain':
      await mount.drain(request.timeoutMs);
      break;
    case 'pin':
      await mount.pin(request.path, request.timeoutMs);
      break;
    case 'unpin':
      await mount.unpin(request.path);
      break;
    case 'evict':
      return mount.evict(request.path);
    case 'unmount':
      await mount.unmount();
  }
  return {};
}

/** A clean end: what can be uploaded now is, what cannot is said and kept. */
async function stop(mount: OpenMount, cacheDirectory: string): Promise<void> {
  try {
    await mount.drain(stopDrainMs);
  } catch (error) {
    if (!isDriveError(error)) throw error;
    printRemark(describeLeft({ ...mount.status(), cacheDirectory }));
  }
  await mount.unmount();
}
