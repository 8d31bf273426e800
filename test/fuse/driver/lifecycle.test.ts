import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { mountAt } from '../../../mount/fuse/mount-table.ts';
import { as, makeMountpoint, Mounted, mountersHere, removeMountpoint, runAs } from './mounted.ts';

describe.each(mountersHere())('a mount made as %s', (mounter) => {
  const mountpoints: string[] = [];
  const fresh = (): string => {
    const mountpoint = makeMountpoint(mounter);
    mountpoints.push(mountpoint);
    return mountpoint;
  };

  afterEach(() => {
    for (const mountpoint of mountpoints.splice(0)) removeMountpoint(mountpoint);
  });

  it('shows as fuse.holdfast, serves, and is gone after an unmount', async () => {
    const mountpoint = fresh();
    await using mounted = await Mounted.start(mounter, { mountpoint });
    expect(await mountAt(mountpoint)).toMatchObject({ type: 'fuse.holdfast', source: 'holdfast' });
    const work = 'cd "$1" && mkdir d && echo hello > d/f && mv d/f g && ln g h && cat g h && ls -A && rm -r d g h';
    expect(runAs(mounter, 'sh', ['-c', work, 'sh', mountpoint])).toMatchObject({
      stdout: 'hello\nhello\nd\ng\nh\n',
      stderr: '',
    });
    await mounted.tell({ type: 'unmount' });
    await mounted.exited();
    expect(mounted.process.exitCode).toBe(0);
    expect(await mountAt(mountpoint)).toBeUndefined();
    expect(fs.readdirSync(mountpoint)).toEqual([]);
  });

  it('ends when somebody else unmounts it', async () => {
    const mountpoint = fresh();
    await using mounted = await Mounted.start(mounter, { mountpoint });
    expect(runAs(mounter, 'fusermount3', ['-u', mountpoint]).status).toBe(0);
    await mounted.exited();
    expect(mounted.process.exitCode).toBe(0);
  });

  it('is unmounted although a file is open: its user gets errors after the grace period', async () => {
    const mountpoint = fresh();
    await using mounted = await Mounted.start(mounter, { mountpoint });
    const script = 'exec 3> "$1/open"; echo ready; read line; echo more >&3 || exit 7';
    const user = spawn(...as(mounter, 'bash', ['-c', script, 'bash', mountpoint]), {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await once(user.stdout, 'data');
    await mounted.tell({ type: 'unmount', graceMs: 50 });
    await mounted.exited();
    expect(await mountAt(mountpoint)).toBeUndefined();
    user.stdin.end('\n');
    const [code] = (await once(user, 'exit')) as [number];
    expect(code).toBe(7);
  });

  it('killed, leaves a dead mount that the next one clears', async () => {
    const mountpoint = fresh();
    {
      await using killed = await Mounted.start(mounter, { mountpoint });
      await killed.kill();
      expect(runAs(mounter, 'ls', [mountpoint]).stderr).toMatch(/not connected/);
      await using next = await Mounted.start(mounter, { mountpoint });
      expect(runAs(mounter, 'ls', [mountpoint])).toMatchObject({ status: 0, stderr: '' });
      await next.tell({ type: 'unmount' });
    }
  });

  it('burns no CPU when nobody asks', async () => {
    await using mounted = await Mounted.start(mounter, { mountpoint: fresh() });
    const before = (await mounted.counts()).cpuUs;
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect((await mounted.counts()).cpuUs - before).toBeLessThan(40_000);
  });

  it('refuses what cannot be a mountpoint, and says why', async () => {
    const mountpoint = fresh();
    const start = (path: string): Promise<Mounted> => Mounted.start(mounter, { mountpoint: path });
    await expect(start(`${mountpoint}/none`)).rejects.toMatchObject({ code: 'notFound' });
    fs.writeFileSync(`${mountpoint}/file`, '');
    await expect(start(`${mountpoint}/file`)).rejects.toMatchObject({ code: 'notDirectory' });
    await expect(start(mountpoint)).rejects.toMatchObject({ code: 'notEmpty' });
    fs.unlinkSync(`${mountpoint}/file`);
    await using mounted = await start(mountpoint);
    await expect(start(mountpoint)).rejects.toMatchObject({ code: 'exists' });
    expect(fs.existsSync(dirname(mounted.mountpoint))).toBe(true);
  });

  it('that is read-only refuses writes', async () => {
    const mountpoint = fresh();
    await using _mounted = await Mounted.start(mounter, { mountpoint, readOnly: true });
    expect(runAs(mounter, 'touch', [`${mountpoint}/x`]).stderr).toMatch(/Read-only file system/);
  });
});

if (mountersHere().includes('user')) {
  it('a mount made as user is shown to others only with leave of fuse.conf', async () => {
    const mountpoint = makeMountpoint('user');
    try {
      const start = Mounted.start('user', { mountpoint, allowOther: true });
      if (allowsOthers()) await (await start)[Symbol.asyncDispose]();
      else await expect(start).rejects.toThrow(/user_allow_other/);
    } finally {
      removeMountpoint(mountpoint);
    }
  });
}

function allowsOthers(): boolean {
  return spawnSync('grep', ['-qx', 'user_allow_other', '/etc/fuse.conf']).status === 0;
}
