import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DriveError } from '../protocol/errors.ts';

const program = join(import.meta.dirname, '..', 'bin', 'holdfast');
const startTimeoutMs = 120_000;
const stopTimeoutMs = 90_000;

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
   * Runs `holdfast mount DIR --foreground` with `args` and returns once it serves. Throws `unavailable` with what it
   * said if it does not come to that.
   */
  static async start(mountpoint: string, args: readonly string[], detached = false): Promise<MountChild> {
    const child = spawn(program, ['mount', mountpoint, '--foreground', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // In a process group of its own: the terminal's Ctrl-C is for the parent, which stops it in good order.
      detached: true,
    });
    const mount = new MountChild(child);
    const said: string[] = [];
    child.stderr?.setEncoding('utf8').on('data', (text: string) => said.push(text));
    try {
      await mount.#ready();
    } catch (cause) {
      await mount.stop();
      const reason =
        said
          .join('')
          .trim()
          .replace(/^holdfast: /, '') || 'the mount process ended without a word';
      throw new DriveError('unavailable', reason, { cause });
    }
    if (detached) mount.#letGo();
    return mount;
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

  #letGo(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    this.#child.unref();
  }
}
