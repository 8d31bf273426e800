import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand, type CommandResult } from './process.ts';

const program = join(import.meta.dirname, '..', '..', 'bin', 'holdfast');

describe('the command line', () => {
  let home: string;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'holdfast-cli-'));
  });

  afterAll(() => rm(home, { recursive: true, force: true }));

  function run(args: readonly string[], stdin = ''): Promise<CommandResult> {
    return runCommand(program, args, { environment: { HOME: home }, stdin });
  }

  test('opens its help with examples', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout.trimStart()).toMatch(/^Examples:/);
    expect(stdout).toContain('Exit codes:');
  });

  test.each(['up', 'serve', 'login', 'mount', 'unmount', 'drain', 'status', 'log', 'restore'])(
    'has an example in the help of %s',
    async (command) => {
      const { code, stdout } = await run([command, '--help']);
      expect(code).toBe(0);
      expect(stdout.trimStart()).toMatch(/^Examples?:\n {2}.*holdfast /);
    },
  );

  test('ends with 64 and a hint when used wrongly', async () => {
    expect(await run(['mount'])).toMatchObject({ code: 64 });
    expect(await run(['frobnicate'])).toMatchObject({ code: 64 });
  });

  test('lists no mounts as an empty array', async () => {
    const { code, stdout } = await run(['status', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([]);
  });

  test('says what is missing, without a stack, where there is no login', async () => {
    const { code, stderr } = await run(['mount', join(home, 'drive'), '--foreground']);
    expect(code).toBe(77);
    expect(stderr.trim()).toBe('holdfast: not logged in: run "holdfast login URL" first');
  });

  test('says that a server is away', async () => {
    const { code, stderr } = await run(['login', 'http://127.0.0.1:9', '--user', 'ada'], 'a password\n');
    expect(code).toBe(69);
    expect(stderr).toContain('127.0.0.1:9');
  });

  test('adds a user once', async () => {
    const add = ['user', 'add', 'ada', '--data', join(home, 'data')];
    expect(await run(add, 'a long password\n')).toMatchObject({ code: 0 });
    expect(await run(add, 'a long password\n')).toMatchObject({ code: 73 });
    expect(await run(['user', 'add', 'bob', '--data', join(home, 'data')], '\n')).toMatchObject({ code: 65 });
  });

  test('refuses an address that is none', async () => {
    const { code, stderr } = await run(['serve', '--data', join(home, 'data'), '--listen', 'nowhere:at:all']);
    expect(code).toBe(65);
    expect(stderr).toContain('127.0.0.1:7420');
  });
});
