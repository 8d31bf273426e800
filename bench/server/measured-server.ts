import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { login } from '../../mount/remote/login.ts';
import { RemoteDrive } from '../../mount/remote/remote-drive.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import { HoldfastProcess, holdfast } from '../../test/end-to-end/process.ts';

const user = 'ada';
const password = 'a long password';

/** A whole server in a process of its own, over SQLite and a disk store in a temporary folder, and one user of it. */
export class MeasuredServer {
  readonly directory: string;
  readonly url: string;
  readonly token: string;
  readonly drive: RemoteDrive;
  readonly namespace: NamespaceId;
  readonly #process: HoldfastProcess;

  private constructor(parts: {
    readonly directory: string;
    readonly url: string;
    readonly token: string;
    readonly drive: RemoteDrive;
    readonly namespace: NamespaceId;
    readonly process: HoldfastProcess;
  }) {
    this.directory = parts.directory;
    this.url = parts.url;
    this.token = parts.token;
    this.drive = parts.drive;
    this.namespace = parts.namespace;
    this.#process = parts.process;
  }

  static async start(): Promise<MeasuredServer> {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
    const data = ['--data', join(directory, 'data')];
    await holdfast(directory, ['user', 'add', user, ...data], `${password}\n`);
    const process = new HoldfastProcess(['serve', ...data, '--listen', '127.0.0.1:0'], directory);
    const url = (await process.expect(/listening on (http:\S+)/))[1] ?? '';
    const { token } = await login({ url, user, password, deviceName: 'bench' });
    const drive = new RemoteDrive({ url, token });
    const [own] = await drive.namespaces();
    if (own === undefined) throw new Error('the user has no namespace');
    return new MeasuredServer({ directory, url, token, drive, namespace: own.id, process });
  }

  /** The WebDAV address of the user's own drive, and what to send along. */
  get webdavUrl(): string {
    return `${this.url}/dav/${user}`;
  }

  get webdavAuthorization(): string {
    return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }

  get webdavLogin(): { readonly user: string; readonly password: string } {
    return { user, password };
  }

  get pid(): number {
    const { pid } = this.#process.child;
    if (pid === undefined) throw new Error('the server did not start');
    return pid;
  }

  async close(): Promise<void> {
    this.drive.close();
    await this.#process.end();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** The most memory a process has had resident since `resetPeak`, in MiB (VmHWM, proc(5)). */
export async function peakMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? NaN) / 1024;
}

/** Starts the peak anew from what is resident now. */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** CPU time that a process has used, of all its threads, in seconds: its own, and the kernel's for it. */
export async function cpuSeconds(pid: number): Promise<{ readonly user: number; readonly system: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticksPerSecond = 100; // USER_HZ is 100 on every architecture that Node runs on
  return { user: Number(fields[11]) / ticksPerSecond, system: Number(fields[12]) / ticksPerSecond };
}
