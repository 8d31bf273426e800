import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { z } from 'zod';
import { DriveError, isDriveError } from '../protocol/errors.ts';
import { askMount } from './control-client.ts';
import { mountStatusSchema, type MountStatus } from './control-protocol.ts';
import { makePrivateDirectory, readFileIfThere, writePrivateFile } from './private-file.ts';

const recordSchema = z.object({
  path: z.string(),
  pid: z.number(),
  server: z.string(),
  namespace: z.string(),
});

/** A mount that has announced itself on this machine. */
export type RunningMount = z.infer<typeof recordSchema> & { readonly socket: string };

const statusTimeoutMs = 10_000;

/** The mounts of this user on this machine: a folder with a record and a control socket each. */
export class RunningMounts {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Where the mount on `path` has its control socket. */
  socketOf(path: string): string {
    return join(this.#directory, `${keyOf(path)}.sock`);
  }

  /** Where a mount on `path` writes its log when it runs in the background. */
  logOf(path: string): string {
    return join(this.#directory, `${keyOf(path)}.log`);
  }

  /** Announces a mount; its control socket must listen already. */
  async announce(mount: Omit<RunningMount, 'socket'>): Promise<void> {
    await writePrivateFile(this.#recordOf(mount.path), JSON.stringify(mount));
  }

  async withdraw(path: string): Promise<void> {
    await rm(this.#recordOf(path), { force: true });
  }

  async prepare(): Promise<void> {
    await makePrivateDirectory(this.#directory);
  }

  /** The mounts whose process is alive; records of dead ones are removed. */
  async all(): Promise<readonly RunningMount[]> {
    const names = await readdir(this.#directory).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    });
    const found: RunningMount[] = [];
    for (const name of names.filter((one) => one.endsWith('.json'))) {
      const text = await readFileIfThere(join(this.#directory, name));
      if (text === undefined) continue;
      const record = recordSchema.parse(JSON.parse(text));
      if (isAlive(record.pid)) found.push({ ...record, socket: this.socketOf(record.path) });
      else await rm(join(this.#directory, name), { force: true });
    }
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** The mount that `path` lies in (or is), the innermost if nested. Throws `notFound`. */
  async containing(path: string): Promise<RunningMount> {
    const wanted = resolve(path);
    const holding = (await this.all()).filter(
      (mount) => wanted === mount.path || wanted.startsWith(mount.path.endsWith(sep) ? mount.path : mount.path + sep),
    );
    const innermost = holding.sort((a, b) => b.path.length - a.path.length)[0];
    if (innermost !== undefined) return innermost;
    throw new DriveError('notFound', `${wanted} is not in a mounted drive; see "holdfast status"`);
  }

  /** The mount at `path`, or the only one if no path is given. Throws `notFound` or `invalidArgument`. */
  async chosen(path: string | undefined): Promise<RunningMount> {
    if (path !== undefined) return this.containing(path);
    const all = await this.all();
    const [only] = all;
    if (only !== undefined && all.length === 1) return only;
    if (only === undefined) throw new DriveError('notFound', 'no drive is mounted; run "holdfast mount DIR"');
    throw new DriveError(
      'invalidArgument',
      `several drives are mounted; name one: ${all.map((m) => m.path).join(', ')}`,
    );
  }

  #recordOf(path: string): string {
    return join(this.#directory, `${keyOf(path)}.json`);
  }
}

/** Asks a mount how it is; `undefined` if it ended meanwhile. */
export async function statusOf(mount: RunningMount): Promise<MountStatus | undefined> {
  try {
    return mountStatusSchema.parse(await askMount(mount.socket, { method: 'status' }, statusTimeoutMs));
  } catch (error) {
    if (isDriveError(error, 'unavailable')) return undefined;
    throw error;
  }
}

function keyOf(path: string): string {
  return createHash('sha256').update(resolve(path)).digest('hex').slice(0, 16);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
