import { spawn } from 'node:child_process';

export interface ProgramResult {
  readonly code: number | null;
  readonly output: string;
}

export interface ProgramOptions {
  readonly cwd?: string;
  /** Sent to its standard input; without it there is none. */
  readonly input?: string;
  readonly timeoutMs?: number;
  /** It leaves a daemon behind that keeps its output open, so only its own exit is awaited. */
  readonly detaches?: boolean;
}

/** Runs a program to its end and returns its exit code and all it printed; it is killed after `timeoutMs`. */
export async function run(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ProgramResult>();
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    timeout: options.timeoutMs ?? 60_000,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (piece: Buffer) => (output += piece.toString()));
  child.stderr?.on('data', (piece: Buffer) => (output += piece.toString()));
  child.on('error', reject);
  child.on(options.detaches === true ? 'exit' : 'close', (code: number | null) => resolve({ code, output }));
  child.stdin?.end(options.input);
  return promise;
}

/** As `run`, but throws, with all the program printed, unless it succeeds. */
export async function runWell(...of: Parameters<typeof run>): Promise<string> {
  const { code, output } = await run(...of);
  if (code !== 0) throw new Error(`${of[0]} ${of[1].join(' ')} exited with ${code}:\n${output}`);
  return output;
}
