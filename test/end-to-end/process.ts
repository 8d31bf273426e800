import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export const program = join(import.meta.dirname, '..', '..', 'bin', 'holdfast');
const startTimeoutMs = 30_000;

/** A `holdfast` process that runs until ended, with its output kept for a failing test to show. */
export class HoldfastProcess {
  readonly child: ChildProcess;
  #output = '';
  #onOutput: (() => void)[] = [];

  constructor(args: readonly string[], home: string, environment: NodeJS.ProcessEnv = {}) {
    this.child = spawn(program, args, {
      env: { ...process.env, HOME: home, XDG_STATE_HOME: '', XDG_DATA_HOME: '', XDG_CONFIG_HOME: '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8');
      stream?.on('data', (text: string) => {
        this.#output += text;
        for (const tell of this.#onOutput) tell();
      });
    }
    this.child.on('exit', () => {
      for (const tell of this.#onOutput) tell();
    });
  }

  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits until the output matches, and returns the match. Rejects if the process ends or takes too long. */
  async expect(pattern: RegExp, timeoutMs = startTimeoutMs): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (!this.running) throw new Error(`holdfast ended before it said ${pattern}:\n${this.#output}`);
      if (deadline.aborted) throw new Error(`holdfast did not say ${pattern} in ${timeoutMs} ms:\n${this.#output}`);
      await this.#nextOutput(deadline);
    }
  }

  /** Sends a signal and waits for the end; returns the exit code, `null` if a signal ended it. */
  async end(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = startTimeoutMs): Promise<number | null> {
    if (!this.running) return this.child.exitCode;
    const exited = once(this.child, 'exit', { signal: AbortSignal.timeout(timeoutMs) });
    this.child.kill(signal);
    try {
      await exited;
    } catch (cause) {
      this.child.kill('SIGKILL');
      throw new Error(`holdfast did not end within ${timeoutMs} ms of ${signal}:\n${this.#output}`, { cause });
    }
    return this.child.exitCode;
  }

  #nextOutput(deadline: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const tell = (): void => {
        this.#onOutput = this.#onOutput.filter((one) => one !== tell);
        deadline.removeEventListener('abort', tell);
        resolve();
      };
      this.#onOutput.push(tell);
      deadline.addEventListener('abort', tell, { once: true });
    });
  }
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs any command to its end and returns what it printed. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: { readonly environment?: NodeJS.ProcessEnv; readonly stdin?: string; readonly timeoutMs?: number } = {},
): Promise<CommandResult> {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 120_000,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** Runs a `holdfast` command to its end; rejects with its output unless it exits with 0. */
export async function holdfast(
  home: string,
  args: readonly string[],
  stdin = '',
  timeoutMs = 120_000,
): Promise<string> {
  const environment = { HOME: home, XDG_STATE_HOME: '', XDG_DATA_HOME: '', XDG_CONFIG_HOME: '' };
  const result = await runCommand(program, args, { environment, stdin, timeoutMs });
  if (result.code === 0) return result.stdout;
  throw new Error(`holdfast ${args.join(' ')} ended with ${result.code}:\n${result.stdout}${result.stderr}`);
}
