import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskStore } from '../../blockstore/disk-store.ts';
import { collect } from '../unit/blockstore/make-block-store.ts';
import { seededBytes } from '../unit/blockstore/seeded-bytes.ts';

const storeModule = new URL('../../blockstore/disk-store.ts', import.meta.url).href;
const bytesModule = new URL('../unit/blockstore/seeded-bytes.ts', import.meta.url).href;

/** Runs a script that has a `store` and `seededBytes` in a process of its own, to be killed. */
function startWriter(directory: string, script: string): ChildProcess {
  const program = `
    const { DiskStore } = await import(${JSON.stringify(storeModule)});
    const { seededBytes } = await import(${JSON.stringify(bytesModule)});
    const store = await DiskStore.open(process.argv[1]);
    ${script}`;
  const args = ['--input-type=module', '--eval', program, directory];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

describe('DiskStore after a crash', () => {
  let directory: string;
  beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'holdfast-disk-crash-'))));
  afterEach(() => rm(directory, { recursive: true, force: true }));
  const temporaries = () => readdir(join(directory, 'temporary'));

  it('shows nothing of an object whose writer was killed, and removes what it left', async () => {
    const child = startWriter(
      directory,
      `async function* half() {
        yield seededBytes('half', 500_000);
        yield seededBytes('more', 1);
        console.log('half');
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      }
      await store.put('object', { byteLength: 1_000_000, open: half });`,
    );
    if (child.stdout === null) throw new Error('the writer has no output');
    await once(child.stdout, 'data');
    const other = await DiskStore.open(directory);
    expect(await temporaries(), 'a living writer keeps its file').toHaveLength(1);
    expect(await collect(other.list(''))).toEqual([]);
    await kill(child);
    expect(await collect(other.list(''))).toEqual([]);
    await expect(other.head('object')).rejects.toMatchObject({ code: 'notFound' });
    const reopened = await DiskStore.open(directory);
    expect(await temporaries()).toEqual([]);
    await reopened.put('object', seededBytes('object', 1_000_000));
    expect((await reopened.head('object')).byteLength).toBe(1_000_000);
  });

  it('has every acknowledged object, whole, wherever the kill came', async () => {
    for (let round = 0; round < 6; round++) {
      const child = startWriter(
        directory,
        `for (let turn = 0; ; turn++) {
          const key = 'round-${round}/' + turn;
          await store.put(key, seededBytes(key, 200_000));
          console.log(key);
        }`,
      );
      if (child.stdout === null) throw new Error('the writer has no output');
      const acknowledged: string[] = [];
      for await (const key of createInterface(child.stdout)) {
        acknowledged.push(key);
        if (acknowledged.length === 3 + round) child.kill('SIGKILL'); // while a later put is under way
      }
      await kill(child);
      const store = await DiskStore.open(directory);
      expect(await temporaries()).toEqual([]);
      const listed = await collect(store.list(`round-${round}/`));
      expect(listed.map(({ key }) => key)).toEqual(expect.arrayContaining(acknowledged));
      for (const { key } of listed) {
        const bytes = Buffer.concat(await collect(store.get(key)));
        expect(bytes.equals(seededBytes(key, 200_000)), key).toBe(true);
      }
    }
  });

  it('removes a file of a process that had this id before a restart', async () => {
    const store = await DiskStore.open(directory);
    const left = join(directory, 'temporary', `${process.pid}.left`);
    await writeFile(left, 'x');
    await DiskStore.open(directory);
    expect(await temporaries(), 'it could be of this very process').toHaveLength(1);
    const { utimes } = await import('node:fs/promises');
    await utimes(left, 1, 1);
    await DiskStore.open(directory);
    expect(await temporaries()).toEqual([]);
    expect(await collect(store.list(''))).toEqual([]);
  });

  it('is private to its user', async () => {
    const store = await DiskStore.open(join(directory, 'made', 'here'));
    await store.put('object', seededBytes('private', 10));
    const modeOf = async (...parts: string[]) => (await stat(join(directory, 'made', 'here', ...parts))).mode & 0o777;
    expect(await modeOf()).toBe(0o700);
    expect(await modeOf('objects')).toBe(0o700);
    expect(await modeOf('temporary')).toBe(0o700);
    const [shard] = await Promise.all(
      (await readdir(join(directory, 'made/here/objects'))).map(async (name) => ({
        name,
        files: await readdir(join(directory, 'made/here/objects', name)),
      })),
    ).then((shards) => shards.filter(({ files }) => files.length > 0));
    expect(await modeOf('objects', shard?.name ?? '')).toBe(0o700);
    expect(await modeOf('objects', shard?.name ?? '', shard?.files[0] ?? '')).toBe(0o600);
  });
});
