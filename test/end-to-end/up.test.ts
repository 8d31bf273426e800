import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from './eventually.ts';
import { HoldfastProcess, runCommand } from './process.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';

describe('holdfast up', () => {
  let home: string;
  let up: HoldfastProcess | undefined;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'holdfast-up-'));
  });

  afterEach(async () => {
    await up?.end('SIGKILL');
    await runCommand('umount', ['-l', join(home, 'Holdfast')]);
    await rm(home, { recursive: true, force: true });
  });

  function start(): HoldfastProcess {
    up = new HoldfastProcess(['up', '--listen', '127.0.0.1:0'], home);
    return up;
  }

  test.skipIf(skipLoudly('holdfast up with a mount', whyNoMount()))(
    'makes a user, serves WebDAV, mounts, and stops cleanly on Ctrl-C',
    async () => {
      const first = start();
      const [, url] = await first.expect(/WebDAV +(\S+)/);
      const [, user] = await first.expect(/user +(\S+)/);
      const [, password] = await first.expect(/password +(\S+)/);
      await first.expect(/drive +(\S+)/);
      const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
      const put = await fetch(`${url}hello.txt`, { method: 'PUT', body: 'hello', headers: { authorization } });
      expect(put.status).toBe(201);
      await eventually(async () => expect(await readFile(join(home, 'Holdfast', 'hello.txt'), 'utf8')).toBe('hello'));
      await writeFile(join(home, 'Holdfast', 'answer.txt'), 'written on the mount');
      await eventually(async () => {
        const got = await fetch(`${url}answer.txt`, { headers: { authorization } });
        expect(await got.text()).toBe('written on the mount');
      });
      expect(await first.end('SIGINT')).toBe(0);
      expect(await readFile('/proc/mounts', 'utf8')).not.toContain(home);

      const second = start();
      await second.expect(/drive +(\S+)/);
      expect(second.output).not.toContain('password');
      expect(await readFile(join(home, 'Holdfast', 'answer.txt'), 'utf8')).toBe('written on the mount');
      expect(await second.end('SIGINT')).toBe(0);
    },
    120_000,
  );

  test('serves WebDAV and says why there is no mount where none can be made', async () => {
    await writeFile(join(home, 'Holdfast'), 'a file stands where the mountpoint should be');
    const running = start();
    await running.expect(/no mount: .*Holdfast/);
    const [, url] = await running.expect(/WebDAV +(\S+)/);
    expect((await fetch(url ?? '')).status).toBe(401);
    expect(await running.end('SIGINT')).toBe(0);
  });
});
