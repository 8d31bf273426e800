import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { DriveError } from '../protocol/errors.ts';
import { makePrivateDirectory } from './private-file.ts';

const program = join(import.meta.dirname, '..', 'bin', 'holdfast');
const startTimeoutMs = 120_000;
const stopTimeoutMs = 90_000;
const logBytesMax = 1024 * 1024;

/** A mount in a process of its own, so that the kernel's requests never wait for anything a server does. */
export class MountChild {
  readonly #child: ChildProcess;
  /** Resolves when the mount has ended, for whatever reason. */
  readonly ended: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = once(child, 'exit').then(() => undefined);
  }

  /**
   * Runs `holdfast mount DIR --foreground` with `args` and returns once it serves. What it says goes to the end of
   * `logFile`. Throws `unavailable` with what it said if it does not come to that.
   */
  static async start(
    mountpoint: string,
    args: readonly string[],
    logFile: string,
    environment = process.env,
  ): Promise<MountChild> {
    await turnOver(logFile);
    const log = await open(logFile, 'a', 0o600);
    try {
      const startBytes = (await log.stat()).size;
      const child = spawn(program, ['mount', mountpoint, '--foreground', ...args], {
        stdio: ['ignore', 'pipe', log.fd],
        env: environment,
        // In a process group of its own: the terminal's Ctrl-C is for the parent, which stops it in good order.
        detached: true,
      });
      const mount = new MountChild(child);
      try {
        await mount.#ready();
      } catch (cause) {
        await mount.stop();
        throw new DriveError('unavailable', await lastWords(logFile, startBytes), { cause });
      }
      return mount;
    } finally {
      await log.close();
    }
  }

  /** Lets the mount go on when this process ends. */
  letGo(): void {
    this.#child.stdout?.destroy();
    this.#child.unref();
  }

  /** A clean unmount, bounded in time. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const lateness = AbortSignal.timeout(stopTimeoutMs);
    lateness.addEventListener('abort', () => this.#child.kill('SIGKILL'));
    this.#child.kill('SIGTERM');
    await this.ended;
  }

  async #ready(): Promise<void> {
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('the mount process has no output');
    const lines = createInterface({ input: stdout, signal: AbortSignal.timeout(startTimeoutMs) });
    for await (const line of lines) if (line.startsWith('mounted on ')) return;
    throw new Error('the mount process ended before it served');
  }
}

/** A log does not grow for ever: one that is large is kept once more, as `….old`. */
async function turnOver(logFile: string): Promise<void> {
  await makePrivateDirectory(dirname(logFile));
  try {
    if ((await stat(logFile)).size > logBytesMax) await rename(logFile, `${logFile}.old`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Why the mount did not come to serve, in its own words. */
async function lastWords(logFile: string, startBytes: number): Promise<string> {
  const said = (await readFile(logFile)).subarray(startBytes).toString().trim();
  return said.replace(/^holdfast: /, '') || 'the mount process ended without a word';
}
