import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipLoudly, whyNoProgram } from '../end-to-end/requirements.ts';
import { Stand } from './support/stand.ts';

const suites = ['basic', 'copymove', 'props', 'locks', 'http'];

describe.skipIf(skipLoudly('litmus', whyNoProgram('litmus', 'litmus')))('litmus', () => {
  let stand: Stand;
  let directory: string;

  beforeAll(async () => {
    stand = await Stand.open();
    await stand.addUser('ada');
    directory = await mkdtemp(join(tmpdir(), 'holdfast-litmus-'));
  });

  afterAll(async () => {
    await stand.close();
    await rm(directory, { recursive: true });
  });

  test.each(suites)('%s passes whole', { timeout: 60_000 }, async (suite) => {
    const output = await runLitmus(suite);
    const summary = /summary for `\w+': of (\d+) tests run: (\d+) passed, (\d+) failed/.exec(output);
    expect(summary, output).not.toBeNull();
    const [run, passed, failed] = (summary ?? []).slice(1).map(Number);
    expect({ passed, failed }, output).toEqual({ passed: run, failed: 0 });
    expect(run).toBeGreaterThan(0);
    expect(output).not.toMatch(/WARNING/);
    expect(stand.failures).toEqual([]);
  });

  /** litmus writes its debug log to the working directory. */
  async function runLitmus(suite: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const child = spawn('litmus', [`${stand.origin}/dav/ada/`, 'ada', 'correct horse'], {
      cwd: directory,
      env: { ...process.env, TESTS: suite },
    });
    let output = '';
    child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (output += piece.toString()));
    child.on('error', reject);
    child.on('close', () => resolve(output));
    return promise;
  }
});
