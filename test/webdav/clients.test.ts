import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { skipLoudly, whyNoProgram } from '../end-to-end/requirements.ts';
import { makeSampleTree } from './support/sample-tree.ts';
import { run, runWell } from './support/programs.ts';
import { Stand } from './support/stand.ts';
import type { StandUser } from './support/stand.ts';

let stand: Stand;
let ada: StandUser;
let directory: string;
let sample: string;

beforeAll(async () => {
  stand = await Stand.open();
  ada = await stand.addUser('ada');
  directory = await mkdtemp(join(tmpdir(), 'holdfast-dav-'));
  sample = join(directory, 'sample');
  await makeSampleTree(sample);
});

afterAll(async () => {
  await stand.close();
  await rm(directory, { recursive: true });
});

afterEach(() => expect(stand.failures).toEqual([]));

describe.skipIf(skipLoudly('rclone', whyNoProgram('rclone', 'rclone')))('rclone', () => {
  let remote: string;
  const rclone = async (...args: string[]) => runWell('rclone', ['--config', join(directory, 'rclone.conf'), ...args]);

  beforeAll(async () => {
    await writeFile(join(directory, 'rclone.conf'), '');
    const password = (await rclone('obscure', ada.password)).trim();
    remote = `:webdav,url='${stand.origin}/dav/ada/',vendor=other,user=ada,pass=${password}:`;
  });

  test('copies a tree there and back', { timeout: 60_000 }, async () => {
    await rclone('copy', '--create-empty-src-dirs', sample, `${remote}rclone`);
    expect(await rclone('check', '--download', sample, `${remote}rclone`)).toContain('0 differences found');
    const back = join(directory, 'rclone-back');
    await rclone('copy', '--create-empty-src-dirs', `${remote}rclone`, back);
    await runWell('diff', ['-r', sample, back]);
  });

  test('copies, moves and removes on the server', { timeout: 60_000 }, async () => {
    stand.traffic.putBlocks = 0;
    await rclone('copy', `${remote}rclone/many`, `${remote}copied`);
    await rclone('moveto', `${remote}copied`, `${remote}moved`);
    expect(stand.traffic.putBlocks).toBe(0);
    expect(await rclone('check', join(sample, 'many'), `${remote}moved`)).toContain('0 differences found');
    await rclone('purge', `${remote}moved`);
    expect(await rclone('lsf', remote)).not.toContain('moved');
  });

  test('sets times by PROPPATCH and X-OC-Mtime', async () => {
    const file = join(directory, 'timed');
    await writeFile(file, 'x');
    await utimes(file, 1_000_000_000, 1_000_000_000);
    await rclone('copy', file, remote.replace('vendor=other', 'vendor=owncloud'));
    expect(await rclone('lsl', `${remote}timed`)).toContain('2001-09-09');
  });
});

describe.skipIf(skipLoudly('curl', whyNoProgram('curl', 'curl')))('curl', () => {
  const curl = async (...args: string[]) => runWell('curl', ['-sS', '--fail', '-u', `ada:${ada.password}`, ...args]);
  const url = (path: string) => `${stand.origin}/dav/ada/${path}`;

  test('uploads with Expect, downloads, and resumes', async () => {
    const large = join(sample, 'large');
    await curl('-H', 'Expect: 100-continue', '-T', large, url('curl-large'));
    const back = join(directory, 'curl-back');
    await writeFile(back, (await readFile(large)).subarray(0, 1_234_567));
    await curl('-C', '-', '-o', back, url('curl-large'));
    expect((await readFile(back)).equals(await readFile(large))).toBe(true);
  });

  test('uploads from a pipe, in chunks', async () => {
    await runWell('curl', ['-sS', '--fail', '-u', `ada:${ada.password}`, '-T', '-', url('piped')], {
      input: 'from a pipe',
    });
    expect(await curl(url('piped'))).toBe('from a pipe');
  });

  test('reads over one connection what it was refused before', async () => {
    const { output } = await run('curl', [
      '-sS',
      '-u',
      `ada:${ada.password}`,
      '-T',
      join(sample, 'large'),
      url('none/x'),
    ]);
    expect(output).toContain('does not exist');
  });
});

function whyNoDavfs(): string | undefined {
  if (!existsSync('/dev/fuse')) return 'this machine has no /dev/fuse';
  if (process.getuid?.() !== 0) return 'mounting davfs2 needs root';
  return whyNoProgram('mount.davfs', 'davfs2');
}

describe.skipIf(skipLoudly('davfs2', whyNoDavfs()))('davfs2', () => {
  let mountPoint: string;

  beforeAll(async () => {
    mountPoint = join(directory, 'mount');
    const cache = join(directory, 'cache');
    const config = join(directory, 'davfs2.conf');
    await mkdir(mountPoint);
    await mkdir(cache);
    // The daemon runs as the user davfs2.
    await chmod(directory, 0o711);
    await chmod(cache, 0o777);
    const settings = {
      ask_auth: 0,
      use_locks: 1,
      delay_upload: 0,
      gui_optimize: 1,
      // KiB. With its default of 16, davfs2 1.6.1 cannot list a directory on Linux 6.18, which reads more at once.
      buf_size: 256,
    };
    const lines = Object.entries({ ...settings, cache_dir: cache, secrets: join(directory, 'secrets') });
    await writeFile(config, lines.map(([name, value]) => `${name} ${value}\n`).join(''));
    await writeFile(join(directory, 'secrets'), `${stand.origin}/dav/ada/ ada "${ada.password}"\n`, { mode: 0o600 });
    await runWell('mount.davfs', ['-o', `conf=${config}`, `${stand.origin}/dav/ada/`, mountPoint], {
      timeoutMs: 30_000,
      detaches: true,
    });
  });

  /** Lazily if need be: a test that failed must not leave a mount behind. */
  afterAll(async () => {
    const unmounted = await run('umount', [mountPoint], { timeoutMs: 20_000 });
    if (unmounted.code !== 0 && !unmounted.output.includes('not mounted')) await run('umount', ['-l', mountPoint]);
  });

  test('copies a tree there and back', { timeout: 90_000 }, async () => {
    await runWell('cp', ['-r', sample, join(mountPoint, 'davfs')]);
    const back = join(directory, 'davfs-back');
    await runWell('cp', ['-r', join(mountPoint, 'davfs'), back]);
    await runWell('diff', ['-r', sample, back]);
  });

  test('renames, overwrites and removes', { timeout: 60_000 }, async () => {
    const at = (name: string) => join(mountPoint, name);
    await writeFile(at('one'), 'first');
    await runWell('mv', [at('one'), at('two')]);
    await writeFile(at('two'), 'second');
    expect(await readFile(at('two'), 'utf8')).toBe('second');
    await runWell('rm', ['-r', at('two')]);
    await expect(stat(at('two'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('what it wrote is on the server once it is unmounted', { timeout: 60_000 }, async () => {
    await writeFile(join(mountPoint, 'last'), 'words');
    await runWell('umount', [mountPoint], { timeoutMs: 30_000 });
    const { inode, version, size } = await ada.metadata.resolve(ada.namespace, ['last']);
    expect(size).toBe(5);
    expect((await ada.metadata.manifest(ada.namespace, inode, version)).entries).toHaveLength(1);
    for (const name of ['large', 'deep']) await ada.metadata.resolve(ada.namespace, ['davfs', name]);
  });
});
