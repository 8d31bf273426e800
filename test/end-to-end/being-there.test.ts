import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MountStatus } from '../../cli/control-protocol.ts';
import { exitCodes } from '../../cli/exit-codes.ts';
import type { TcpProxy } from '../faults/tcp-proxy.ts';
import { openAdasStand, password } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { holdfast, program, runCommand, type CommandResult } from './process.ts';
import { skipLoudly, whyNoMount, whyNoProgram } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

const noPython = skipLoudly('a mapping at the end', whyNoProgram('python3', 'python3'));
const noForeignMount = skipLoudly('a dead mount of something else', whyNoProgram('bindfs', 'bindfs'));

async function mountedPaths(): Promise<string> {
  return readFile('/proc/mounts', 'utf8');
}

describe.skipIf(skipLoudly('mounts and their places', whyNoMount()))('a mount in the background', () => {
  let stand: Stand;
  let line: TcpProxy;
  let a: Device;

  beforeAll(async () => {
    ({ stand, line, a } = await openAdasStand({ a: 'byLine' }));
    await a.unmount();
  });

  afterAll(async () => {
    for (const { path, pid } of await statuses()) {
      process.kill(pid, 'SIGKILL');
      await runCommand('umount', ['-l', path]);
    }
    await stand?.close();
  }, 60_000);

  function run(...args: string[]): Promise<CommandResult> {
    const environment = { HOME: a.home, XDG_STATE_HOME: '', XDG_DATA_HOME: '', XDG_CONFIG_HOME: '' };
    return runCommand(program, args, { environment });
  }

  async function statuses(): Promise<MountStatus[]> {
    return JSON.parse(await holdfast(a.home, ['status', '--json'])) as MountStatus[];
  }

  /** The process that serves the mount at `path`. */
  async function pidOf(path: string): Promise<number> {
    const status = (await statuses()).find((each) => each.path === path);
    if (status === undefined) throw new Error(`nothing is mounted at ${path}`);
    return status.pid;
  }

  /** Sends a signal, and waits for the end of the process. */
  async function signal(pid: number, name: NodeJS.Signals): Promise<void> {
    process.kill(pid, name);
    await eventually(async () => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), 40_000);
  }

  async function goOffline(): Promise<void> {
    line.cut();
    await eventually(async () => expect((await a.status()).connected).toBe(false));
  }

  test('that was killed leaves a dead mountpoint, which the next one clears', async () => {
    await holdfast(a.home, ['mount', a.mountpoint]);
    await writeFile(a.path('kept'), 'through the kill');
    await signal(await pidOf(a.mountpoint), 'SIGKILL');
    await expect(readdir(a.mountpoint)).rejects.toThrow('ENOTCONN');
    await holdfast(a.home, ['mount', a.mountpoint]);
    expect(await readFile(a.path('kept'), 'utf8')).toBe('through the kill');
    expect((await mountedPaths()).split(a.mountpoint)).toHaveLength(2);
  }, 60_000);

  test('ends in good order with SIGTERM while its server is away: nothing is lost, and its log says where it is', async () => {
    await goOffline();
    await writeFile(a.path('late'), 'x'.repeat(3000));
    await signal(await pidOf(a.mountpoint), 'SIGTERM');
    expect(await mountedPaths()).not.toContain(a.mountpoint);
    const running = join(a.home, '.local', 'state', 'holdfast', 'running');
    const [log = ''] = (await readdir(running)).filter((name) => name.endsWith('.log'));
    expect(await readFile(join(running, log), 'utf8')).toMatch(
      /^\d changes? \(2\.9 KiB\) not uploaded yet: safe in \S+\/mounts\/\S+, and uploaded by the next mount$/m,
    );
    await holdfast(a.home, ['mount', a.mountpoint]);
    expect((await readFile(a.path('late'))).length).toBe(3000);
  }, 60_000);

  test.skipIf(noPython)(
    'ends with SIGTERM in use too: what is in a mapping of a file is not lost',
    async () => {
      const script = [
        'import mmap, sys',
        "file = open(sys.argv[1], 'r+b')",
        'view = mmap.mmap(file.fileno(), 0)',
        "view[:6] = b'mapped'",
        "print('mapped', flush=True)",
        'sys.stdin.read()',
      ];
      await writeFile(a.path('mapped'), 'before the change');
      const user = spawn('python3', ['-c', script.join('\n'), a.path('mapped')], { stdio: ['pipe', 'pipe', 'ignore'] });
      try {
        await once(user.stdout, 'data');
        await signal(await pidOf(a.mountpoint), 'SIGTERM');
        expect(await mountedPaths()).not.toContain(a.mountpoint);
      } finally {
        user.kill('SIGKILL');
      }
      await holdfast(a.home, ['mount', a.mountpoint]);
      expect(await readFile(a.path('mapped'), 'utf8')).toBe('mapped the change');
    },
    60_000,
  );

  test('that cannot upload stays when it is to be unmounted, and says what is left and where it is safe', async () => {
    const refused = await run('unmount', '--timeout', '1');
    expect(refused.code).toBe(exitCodes.tryAgain);
    const left = /\d changes? \(\d\.\d KiB\) not uploaded yet: safe in (\S+), and uploaded by the next mount/;
    expect(refused.stderr).toMatch(/still mounted: .*unmount --force/);
    const [, cache = ''] = left.exec(refused.stderr) ?? [];
    expect(await readdir(cache)).toContain('content');
    expect((await readFile(a.path('late'))).length).toBe(3000);
    const forced = await run('unmount', '--force');
    expect([forced.code, left.test(forced.stderr)]).toEqual([0, true]);
    expect(await mountedPaths()).not.toContain(a.mountpoint);
    line.heal();
    await holdfast(a.home, ['mount', a.mountpoint]);
    expect(await run('unmount')).toMatchObject({ code: 0, stderr: '' });
  }, 60_000);

  test('stands beside others: of one drive with a cache of its own, and of another drive', async () => {
    await stand.addUser('ben', password);
    const others = { twin: join(a.home, 'twin'), bens: join(a.home, 'bens') };
    await holdfast(a.home, ['mount', a.mountpoint]);
    const twinCache = ['--cache', join(a.home, 'twin-cache')];
    const taken = await run('mount', others.twin);
    expect(taken.code).not.toBe(0);
    expect(taken.stderr).toMatch(/the cache \S+ is in use by process \d+.*choose another cache with --cache/);
    expect(await mountedPaths()).not.toContain(others.twin);
    await holdfast(a.home, ['mount', others.twin, ...twinCache]);
    await holdfast(a.home, ['login', stand.url, '--user', 'ben'], `${password}\n`);
    await holdfast(a.home, ['mount', others.bens, '--server', stand.url]);
    await writeFile(a.path('shared'), 'seen by the twin');
    await eventually(async () => expect(await readFile(join(others.twin, 'shared'), 'utf8')).toBe('seen by the twin'));
    expect(await readdir(others.bens)).toEqual([]);
    expect((await statuses()).map(({ path }) => path).sort()).toEqual([a.mountpoint, ...Object.values(others)].sort());
    const again = await run('mount', a.mountpoint, '--cache', join(a.home, 'third-cache'));
    expect(again.stderr).toMatch(/Holdfast is mounted at \S+ already/);
    for (const path of [a.mountpoint, ...Object.values(others)]) await holdfast(a.home, ['unmount', path]);
    expect(await mountedPaths()).not.toContain(a.home);
  }, 120_000);

  test.skipIf(noForeignMount)(
    "leaves a dead mount alone that is not Holdfast's, and says what it is",
    async () => {
      const place = await mkdtemp(join(tmpdir(), 'holdfast-foreign-'));
      const foreign = spawn('bindfs', ['-f', a.home, place], { stdio: 'ignore' });
      try {
        await eventually(async () => expect(await mountedPaths()).toContain(place));
        foreign.kill('SIGKILL');
        await once(foreign, 'exit');
        const refused = await run('mount', place);
        expect(refused.stderr).toMatch(/a dead mount that is not Holdfast's \(fuse\S*\) is there; unmount it first/);
        expect(await mountedPaths()).toContain(place);
      } finally {
        foreign.kill('SIGKILL');
        await runCommand('umount', ['-l', place]);
        await rm(place, { recursive: true });
      }
    },
    60_000,
  );
});
