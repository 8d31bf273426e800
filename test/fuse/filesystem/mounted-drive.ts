import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeMountpoint, removeMountpoint } from '../driver/mounted.ts';
import type { Mounter } from '../driver/mounted.ts';
import type { DriveCommand, DriveCounts, DriveProcessOptions, DriveReport } from './drive-commands.ts';

const script = fileURLToPath(new URL('drive-process.ts', import.meta.url));

/** A drive mounted by a process of its own. Whatever a test does, `dispose` unmounts it and leaves no process. */
export class MountedDrive {
  readonly mountpoint: string;
  readonly cacheDirectory: string;
  process: ChildProcess;
  readonly #waiting = new Map<number, (report: DriveReport) => void>();
  readonly #cacheBytesMax: number;
  #nextId = 1;

  private constructor(mountpoint: string, cacheBytesMax: number) {
    this.mountpoint = mountpoint;
    this.#cacheBytesMax = cacheBytesMax;
    this.cacheDirectory = mkdtempSync(join(tmpdir(), 'holdfast-drive-'));
    this.process = this.#spawn();
  }

  /** Mounts as this very user. */
  static async start(mounter: Mounter, cacheBytesMax = 2 ** 40): Promise<MountedDrive> {
    const drive = new MountedDrive(makeMountpoint(mounter), cacheBytesMax);
    await drive.#mounted();
    return drive;
  }

  path(...names: string[]): string {
    return join(this.mountpoint, ...names);
  }

  tell(command: DriveCommand): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (report) => {
        this.#waiting.delete(id);
        if (report.type === 'result') resolve(report.result);
        else reject(new Error(report.type === 'failure' ? report.message : report.type));
      });
      this.process.send({ id, command });
    });
  }

  async counts(): Promise<DriveCounts> {
    return (await this.tell({ type: 'counts' })) as DriveCounts;
  }

  async remoteContent(name: string, content: string | Uint8Array): Promise<void> {
    await this.tell({ type: 'remoteContent', name, content: Buffer.from(content).toString('base64') });
  }

  /** Kills the process without a word, and mounts again over what it left. */
  async killAndRestart(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.#exited();
    const [program, args] = process.getuid?.() === 0 ? ['umount', ['-l']] : ['fusermount3', ['-u', '-z']];
    await once(spawn(program, [...args, this.mountpoint], { stdio: 'ignore' }), 'exit');
    this.process = this.#spawn();
    await this.#mounted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await this.#exited();
    removeMountpoint(this.mountpoint);
    rmSync(this.cacheDirectory, { recursive: true, force: true });
  }

  #spawn(): ChildProcess {
    const { mountpoint, cacheDirectory } = this;
    const options: DriveProcessOptions = { mountpoint, cacheDirectory, cacheBytesMax: this.#cacheBytesMax };
    const child = spawn(process.execPath, [script, JSON.stringify(options)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.on('message', (report: DriveReport) => {
      if (report.type === 'result' || report.type === 'failure') this.#waiting.get(report.id)?.(report);
    });
    return child;
  }

  async #mounted(): Promise<void> {
    const ended = once(this.process, 'exit').then(() => [{ type: 'notMounted', message: 'the process ended at once' }]);
    const [report] = (await Promise.race([once(this.process, 'message'), ended])) as [DriveReport];
    if (report.type !== 'mounted') throw new Error(report.type === 'notMounted' ? report.message : report.type);
  }

  async #exited(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
  }
}
