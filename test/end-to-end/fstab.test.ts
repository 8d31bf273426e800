import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { holdfast, runCommand, type CommandResult } from './process.ts';
import { skipLoudly, whyNoMount, whyNoProgram } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

const root = join(import.meta.dirname, '..', '..');
const helper = join(root, 'bin', 'mount.holdfast');
/** Where mount(8) looks for it. */
const installed = '/sbin/mount.holdfast';

function whyNoFstab(): string | undefined {
  if (process.getuid?.() !== 0) return 'mount(8) mounts for root only';
  return existsSync(installed) ? `${installed} is there already` : undefined;
}

describe.skipIf(skipLoudly('mount.holdfast', whyNoMount()))('mount.holdfast', () => {
  let stand: Stand;
  let a: Device;
  let place: string;

  beforeAll(async () => {
    ({ stand, a } = await openAdasStand({ a: 'direct' }));
    await writeFile(a.path('hello'), 'hello');
    await a.drain();
    await a.unmount();
    place = join(a.home, 'mount point');
    await mkdir(place);
  });

  afterAll(async () => {
    await runCommand('umount', ['-l', place]);
    await stand?.close();
  });

  function run(command: string, ...args: string[]): Promise<CommandResult> {
    const environment = { HOME: a.home, XDG_STATE_HOME: '', XDG_DATA_HOME: '', XDG_CONFIG_HOME: '' };
    return runCommand(command, args, { environment });
  }

  async function unmounted(): Promise<void> {
    await run('umount', place);
    await eventually(async () => expect(await holdfast(a.home, ['status', '--json'])).toBe('[]\n'));
  }

  test('mounts as the options of a line of fstab say, and returns when the drive is there', async () => {
    const options = 'rw,user=ada,cache-size=1GiB,io-timeout=5,_netdev,nofail,x-systemd.mount-timeout=60';
    expect(await run(helper, `${stand.url}/ada`, place, '-n', '-o', options)).toMatchObject({ code: 0, stderr: '' });
    expect(await readFile(join(place, 'hello'), 'utf8')).toBe('hello');
    const { stdout } = await run('findmnt', '-n', '-o', 'SOURCE,FSTYPE', place);
    expect(stdout.trim().split(/\s+/)).toEqual([`${stand.url}/ada`, 'fuse.holdfast']);
    await unmounted();
  }, 60_000);

  test('mounts for reading only with ro', async () => {
    expect(await run(helper, stand.url, place, '-o', 'ro')).toMatchObject({ code: 0 });
    expect(await readFile(join(place, 'hello'), 'utf8')).toBe('hello');
    await expect(writeFile(join(place, 'new'), '')).rejects.toThrow('EROFS');
    await unmounted();
  }, 60_000);

  test('ends with the codes of mount(8), and says why', async () => {
    const cases: readonly [readonly string[], number, RegExp][] = [
      [['no url', place], 1, /"no url" is no drive/],
      [[stand.url, place, '-o', 'noexec'], 1, /"noexec" is no option of a Holdfast mount/],
      [[stand.url, place, '-o', 'user=ben'], 32, /the login at \S+ is ada's/],
      [['http://127.0.0.1:9', place], 32, /not logged in at/],
      [[`${stand.url}/nobodys`, place], 32, /no drive "nobodys" for you here; there is: ada/],
    ];
    for (const [args, code, message] of cases) {
      const result = await run(helper, ...args);
      expect([args, result.code]).toEqual([args, code]);
      expect(result.stderr).toMatch(message);
    }
    expect(await run(helper, stand.url, place, '-s', '-f', '-o', 'whatever')).toMatchObject({ code: 0 });
    expect(await readFile('/proc/mounts', 'utf8')).not.toContain(a.home);
  }, 60_000);

  test.skipIf(skipLoudly('mount -t holdfast', whyNoFstab()))(
    'is what mount(8) runs for a line of fstab, and "mount -a" mounts it once',
    async () => {
      const fstab = join(a.home, 'fstab');
      await writeFile(
        fstab,
        `${stand.url}/ada ${place.replace(' ', '\\040')} holdfast home=${a.home},cache-size=1GiB,_netdev,nofail 0 0\n`,
      );
      await symlink(helper, installed);
      try {
        for (const round of ['first', 'second']) {
          expect([round, await run('mount', '-a', '-T', fstab)]).toMatchObject([round, { code: 0, stderr: '' }]);
        }
        expect(await readFile(join(place, 'hello'), 'utf8')).toBe('hello');
        expect((await readFile('/proc/mounts', 'utf8')).split('mount\\040point')).toHaveLength(2);
        await unmounted();
      } finally {
        if ((await lstat(installed)).isSymbolicLink()) await rm(installed);
      }
    },
    60_000,
  );
});

describe.skipIf(skipLoudly('systemd units', whyNoProgram('systemd-analyze', 'systemd')))('the units in deploy', () => {
  test('are understood by systemd', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-units-'));
    try {
      const names = (await readdir(join(root, 'deploy'))).filter((name) => name.endsWith('.service'));
      expect(names.length).toBeGreaterThan(1);
      for (const name of names) {
        const unit = await readFile(join(root, 'deploy', name), 'utf8');
        await writeFile(join(directory, name), unit.replaceAll('/opt/holdfast', root));
        const manager = name === 'holdfast-mount.service' ? '--user' : '--system';
        const verified = spawnSync('systemd-analyze', ['verify', manager, '--man=no', join(directory, name)], {
          encoding: 'utf8',
          env: { ...process.env, XDG_RUNTIME_DIR: directory },
        });
        const about = verified.stderr.split('\n').filter((said) => said.includes(name));
        expect([name, verified.error, about]).toEqual([name, undefined, []]);
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
