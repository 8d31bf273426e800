import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MountStatus } from '../../cli/control-protocol.ts';
import { TcpProxy } from '../faults/tcp-proxy.ts';
import { HoldfastProcess, holdfast, runCommand } from './process.ts';

/** Where a server keeps its data; by default SQLite and a disk store in the stand's folder. */
export interface ServerStorage {
  readonly database: string;
  readonly store: string;
}

/** A whole installation in one temporary folder: one server, users, and devices that mount the drive. */
export class Stand {
  readonly directory: string;
  readonly #storage: ServerStorage | undefined;
  readonly #devices: Device[] = [];
  readonly #lines: TcpProxy[] = [];
  #server: HoldfastProcess | undefined;
  #listen = '127.0.0.1:0';
  url = '';

  private constructor(directory: string, storage: ServerStorage | undefined) {
    this.directory = directory;
    this.#storage = storage;
  }

  static async open(storage?: ServerStorage): Promise<Stand> {
    const stand = new Stand(await mkdtemp(join(tmpdir(), 'holdfast-stand-')), storage);
    try {
      await stand.startServer();
    } catch (error) {
      await stand.close();
      throw error;
    }
    return stand;
  }

  get server(): HoldfastProcess {
    if (this.#server === undefined) throw new Error('the server is not running');
    return this.#server;
  }

  get storageArguments(): string[] {
    const data = ['--data', join(this.directory, 'data')];
    if (this.#storage === undefined) return data;
    return [...data, '--database', this.#storage.database, '--store', this.#storage.store];
  }

  /** Starts the server, at its old address if it ran before. */
  async startServer(): Promise<void> {
    const args = ['serve', ...this.storageArguments, '--listen', this.#listen];
    this.#server = new HoldfastProcess(args, this.directory);
    const match = await this.#server.expect(/listening on (http:\/\/([\d.]+:\d+))/);
    this.url = match[1] ?? '';
    this.#listen = match[2] ?? this.#listen;
  }

  async addUser(name: string, password: string): Promise<void> {
    await holdfast(this.directory, ['user', 'add', name, ...this.storageArguments], `${password}\n`);
  }

  /** A way to the server that can be cut, each direction late by `delayMs`; for the address it has now. */
  async openLine(delayMs = 0): Promise<TcpProxy> {
    const { hostname, port } = new URL(this.url);
    const line = await TcpProxy.open(hostname, Number(port), delayMs);
    this.#lines.push(line);
    return line;
  }

  /** A machine of `user`, logged in (at `url`, a proxy perhaps), with nothing mounted yet. */
  async device(user: string, password: string, label: string, url = this.url): Promise<Device> {
    const device = new Device(join(this.directory, `device-${label}`));
    this.#devices.push(device);
    await mkdir(device.mountpoint, { recursive: true });
    await holdfast(device.home, ['login', url, '--user', user], `${password}\n`);
    return device;
  }

  /** Ends everything, whatever state it is in, and leaves no mount, process or file. */
  async close(): Promise<void> {
    for (const device of this.#devices) await device.discard();
    await this.#server?.end('SIGKILL');
    for (const line of this.#lines) await line.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** One machine with a home, a login and at most one mount. */
export class Device {
  readonly home: string;
  readonly mountpoint: string;
  #mount: HoldfastProcess | undefined;

  constructor(home: string) {
    this.home = home;
    this.mountpoint = join(home, 'Drive');
  }

  get process(): HoldfastProcess {
    if (this.#mount === undefined) throw new Error('nothing is mounted');
    return this.#mount;
  }

  path(...names: string[]): string {
    return join(this.mountpoint, ...names);
  }

  async mount(...options: string[]): Promise<void> {
    this.#mount = new HoldfastProcess(['mount', this.mountpoint, '--foreground', ...options], this.home);
    await this.#mount.expect(/mounted on /, 120_000);
  }

  async drain(timeoutS = 300): Promise<void> {
    await holdfast(this.home, ['drain', '--timeout', String(timeoutS)], '', (timeoutS + 10) * 1000);
  }

  async status(): Promise<MountStatus> {
    const statuses = JSON.parse(await holdfast(this.home, ['status', '--json'])) as MountStatus[];
    const [status] = statuses;
    if (status === undefined) throw new Error('no mount in the status');
    return status;
  }

  /** A clean unmount by signal. */
  async unmount(): Promise<void> {
    await this.process.end('SIGTERM', 60_000);
    this.#mount = undefined;
  }

  /** kill -9, as a crash; the stale mountpoint stays for the next mount to clear. */
  async kill(): Promise<void> {
    await this.process.end('SIGKILL');
    this.#mount = undefined;
  }

  async discard(): Promise<void> {
    await this.#mount?.end('SIGKILL').catch(() => null);
    await runCommand('umount', ['-l', this.mountpoint]);
  }
}
