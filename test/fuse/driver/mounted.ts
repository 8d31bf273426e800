import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DriveError } from '../../../protocol/errors.ts';
import type { Command, Counts, MountProcessOptions, Report } from './commands.ts';

/** Who mounts: `root` by mount(2), `user` through fusermount3. */
export type Mounter = 'root' | 'user';

const script = fileURLToPath(new URL('mount-process.ts', import.meta.url));
const isRoot = process.getuid?.() === 0;
/** "nobody" of Debian. */
const ordinaryUser = 65534;

/** Why `mounter` cannot be tried on this machine; `undefined` if it can. */
export function whyNot(mounter: Mounter): string | undefined {
  if (!existsSync('/dev/fuse')) return '/dev/fuse is missing';
  if (mounter === 'root') return isRoot ? undefined : 'the tests do not run as root';
  const forOthers = 0o006;
  if (isRoot && (statSync('/dev/fuse').mode & forOthers) !== forOthers) {
    return '/dev/fuse is closed to ordinary users (run it through test/fuse/driver/open-device.sh)';
  }
  if (spawnSync('fusermount3', ['--version']).error !== undefined) return 'fusermount3 is missing';
  if (isRoot && spawnSync('setpriv', ['--version']).error !== undefined) return 'setpriv is missing';
  return undefined;
}

/** Says loudly which mounters cannot be tried, and returns those that can. */
export function mountersHere(): Mounter[] {
  return (['root', 'user'] as const).filter((mounter) => {
    const reason = whyNot(mounter);
    if (reason !== undefined) console.warn(`SKIPPED: mounting as ${mounter}: ${reason}`);
    return reason === undefined;
  });
}

/** A fresh empty directory that `mounter` may mount on; the directory above it is the test's to remove. */
export function makeMountpoint(mounter: Mounter): string {
  const mountpoint = join(mkdtempSync(join(tmpdir(), 'holdfast-driver-')), 'mount point');
  mkdirSync(mountpoint);
  if (isRoot && mounter === 'user') {
    chownSync(join(mountpoint, '..'), ordinaryUser, ordinaryUser);
    chownSync(mountpoint, ordinaryUser, ordinaryUser);
  }
  return mountpoint;
}

/** Runs a program as `mounter`, who alone may look into a mount that was made without allow_other. */
export function runAs(mounter: Mounter, program: string, args: readonly string[]): ReturnType<typeof spawnSync> {
  const [file, all] = as(mounter, program, args);
  return spawnSync(file, all, { encoding: 'utf8', timeout: 30_000 });
}

export function as(mounter: Mounter, program: string, args: readonly string[]): [string, string[]] {
  if (!isRoot || mounter === 'root') return [program, [...args]];
  const identity = [`--reuid=${ordinaryUser}`, `--regid=${ordinaryUser}`, '--clear-groups'];
  return ['setpriv', [...identity, '--', program, ...args]];
}

/** A mount in a process of its own. Whatever a test does, `dispose` unmounts it and leaves no process. */
export class Mounted {
  readonly mountpoint: string;
  readonly process: ChildProcess;
  readonly #reports = new Map<number, (report: Report) => void>();
  #nextId = 1;

  private constructor(mountpoint: string, child: ChildProcess) {
    this.mountpoint = mountpoint;
    this.process = child;
    child.on('message', (report: Report) => {
      if (report.type === 'result' || report.type === 'failure') this.#reports.get(report.id)?.(report);
    });
    child.on('exit', () => {
      for (const [id, settle] of this.#reports) settle({ type: 'failure', id, message: 'the process ended' });
    });
  }

  /** Mounts; throws the `DriveError` with which the process failed to. */
  static async start(mounter: Mounter, options: Partial<MountProcessOptions> = {}): Promise<Mounted> {
    const mountpoint = options.mountpoint ?? makeMountpoint(mounter);
    const all: MountProcessOptions = { timeouts: 'none', ...options, mountpoint };
    const [program, args] = as(mounter, process.execPath, [script, JSON.stringify(all)]);
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const mounted = new Mounted(mountpoint, child);
    const [report] = (await Promise.race([once(child, 'message'), failedToStart(child)])) as [Report];
    if (report.type === 'notMounted') throw new DriveError(report.code, report.message);
    return mounted;
  }

  path(...names: string[]): string {
    return join(this.mountpoint, ...names);
  }

  tell(command: Command): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#reports.set(id, (report) => {
        this.#reports.delete(id);
        if (report.type === 'result') resolve(report.result);
        else reject(new Error(report.type === 'failure' ? report.message : report.type));
      });
      this.process.send({ id, command });
    });
  }

  async counts(): Promise<Counts> {
    return (await this.tell({ type: 'counts' })) as Counts;
  }

  /** Asks over and over until `holds`, for what has no event of its own. */
  async until(holds: (counts: Counts) => boolean): Promise<Counts> {
    for (;;) {
      const counts = await this.counts();
      if (holds(counts)) return counts;
    }
  }

  async exited(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    removeMountpoint(this.mountpoint);
  }
}

/** Unmounts whatever is there and removes the directory. */
export function removeMountpoint(mountpoint: string): void {
  const [program, args] = isRoot ? ['umount', ['-l', mountpoint]] : ['fusermount3', ['-u', '-z', mountpoint]];
  spawnSync(program, args, { stdio: 'ignore' });
  rmSync(join(mountpoint, '..'), { recursive: true, force: true });
}

async function failedToStart(child: ChildProcess): Promise<never> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  throw new Error(`the process that mounts ended at once (${code ?? signal})`);
}
