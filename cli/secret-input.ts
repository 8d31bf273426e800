import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { DriveError } from '../protocol/errors.ts';

const silent = new Writable({
  write(_chunk, _encoding, done) {
    done();
  },
});

/** Asks on the terminal; what is typed shows only if `visible`. Not on a terminal, reads one line of standard input. */
async function readLine(question: string, visible: boolean): Promise<string> {
  const terminal = process.stdin.isTTY;
  if (terminal) process.stderr.write(question);
  const lines = createInterface({
    input: process.stdin,
    output: visible ? process.stderr : silent,
    terminal: terminal && !visible,
  });
  try {
    for await (const line of lines) return line;
  } finally {
    lines.close();
    if (terminal && !visible) process.stderr.write('\n');
  }
  throw new DriveError('cancelled', 'no input: nothing was done');
}

/** A password from the terminal (not echoed) or the next line of standard input. Throws `invalidArgument` if empty. */
export async function readSecret(question: string): Promise<string> {
  const secret = await readLine(question, false);
  if (secret === '') throw new DriveError('invalidArgument', 'the password is empty');
  return secret;
}

/** A line of visible input. */
export async function readAnswer(question: string): Promise<string> {
  return readLine(question, true);
}
