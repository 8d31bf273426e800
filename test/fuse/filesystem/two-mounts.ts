import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeMountpoint, removeMountpoint } from '../driver/mounted.ts';
import type { Mounter } from '../driver/mounted.ts';
import type { SyncStatus } from '../../../mount/sync/sync-options.ts';

export interface TwoMountsOptions {
  readonly directory: string;
  readonly mountpoints: readonly [string, string];
}

export interface TwoMountsCommand {
  readonly type: 'drain' | 'status' | 'unmount';
  readonly mount: number;
}

type Report =
  | { readonly type: 'mounted' }
  | { readonly type: 'notMounted'; readonly message: string }
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly message: string };

const script = fileURLToPath(new URL('two-mounts-process.ts', import.meta.url));

/** Two mounts of one namespace over a real server. */
export class TwoMounts {
  readonly mountpoints: readonly [string, string];
  readonly #directory = mkdtempSync(join(tmpdir(), 'holdfast-two-'));
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (report: Report) => void>();
  #nextId = 1;

  private constructor(mounter: Mounter) {
    this.mountpoints = [makeMountpoint(mounter), makeMountpoint(mounter)];
    const options: TwoMountsOptions = { directory: this.#directory, mountpoints: this.mountpoints };
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    this.#process = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: [...stdio] });
    this.#process.on('message', (report: Report) => {
      if (report.type === 'result' || report.type === 'failure') this.#waiting.get(report.id)?.(report);
    });
  }

  static async start(mounter: Mounter): Promise<TwoMounts> {
    const mounts = new TwoMounts(mounter);
    const ended = once(mounts.#process, 'exit').then(() => [{ type: 'notMounted', message: 'it ended at once' }]);
    const [report] = (await Promise.race([once(mounts.#process, 'message'), ended])) as [Report];
    if (report.type === 'mounted') return mounts;
    await mounts[Symbol.asyncDispose]();
    throw new Error(report.type === 'notMounted' ? report.message : report.type);
  }

  a(...names: string[]): string {
    return join(this.mountpoints[0], ...names);
  }

  b(...names: string[]): string {
    return join(this.mountpoints[1], ...names);
  }

  async drain(mount: 0 | 1): Promise<void> {
    await this.#tell({ type: 'drain', mount });
  }

  async status(mount: 0 | 1): Promise<SyncStatus> {
    return (await this.#tell({ type: 'status', mount })) as SyncStatus;
  }

  /** Resolves when the other mount has all that `mount` has. */
  async synced(mount: 0 | 1): Promise<void> {
    await this.drain(mount);
    const { cursor } = await this.status(mount);
    await this.until(async () => (await this.status(mount === 0 ? 1 : 0)).cursor >= cursor);
  }

  /** Asks over and over, for what has no event of its own; the test's own timeout bounds it. */
  async until(holds: () => Promise<boolean> | boolean): Promise<void> {
    while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit');
    for (const mountpoint of this.mountpoints) removeMountpoint(mountpoint);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #tell(command: TwoMountsCommand): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (report) => {
        this.#waiting.delete(id);
        if (report.type === 'result') resolve(report.result);
        else reject(new Error(report.type === 'failure' ? report.message : report.type));
      });
      this.#process.send({ id, command });
    });
  }
}
