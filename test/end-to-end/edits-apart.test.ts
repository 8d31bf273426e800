import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TcpProxy } from '../faults/tcp-proxy.ts';
import { openAdasStand } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';
import { diffTrees } from './tree-facts.ts';

/** Each conflict rule, met by two people at two mounts of which the second is cut off. */
describe.skipIf(skipLoudly('changes made apart', whyNoMount()))('two mounts change one tree apart', () => {
  let stand: Stand;
  let line: TcpProxy;
  let a: Device;
  let b: Device;

  beforeAll(async () => {
    ({ stand, a, b, line } = await openAdasStand({ a: 'direct', b: 'byLine' }));
    for (const folder of ['gone', 'moved']) await mkdir(a.path(folder));
    for (const name of ['edited-a.txt', 'edited-b.txt', 'gone/inner.txt', 'twice.txt', 'moved/kept.txt']) {
      await writeFile(a.path(name), `first ${name}`);
    }
    await a.drain();
    await eventually(async () => expect(await readFile(b.path('moved/kept.txt'), 'utf8')).toContain('first'));
    for (const name of ['edited-b.txt', 'gone/inner.txt']) await readFile(b.path(name));
    line.cut();
    await eventually(async () => expect((await b.status()).connected).toBe(false));
    await changeOnA();
    await changeOnB();
    line.heal();
    await b.drain(60);
    const { cursor } = await b.status();
    await eventually(async () => expect((await a.status()).cursor).toBeGreaterThanOrEqual(cursor));
  }, 180_000);

  afterAll(() => stand?.close());

  async function changeOnA(): Promise<void> {
    await writeFile(a.path('edited-a.txt'), 'edited on a');
    await rm(a.path('edited-b.txt'));
    await rm(a.path('gone'), { recursive: true });
    await rename(a.path('twice.txt'), a.path('by-a.txt'));
    await mkdir(a.path('same'));
    await writeFile(a.path('same/from-a.txt'), 'a');
    await writeFile(a.path('new.txt'), 'new on a');
    await rename(a.path('moved'), a.path('elsewhere'));
    await a.drain();
  }

  async function changeOnB(): Promise<void> {
    await rm(b.path('edited-a.txt'));
    await writeFile(b.path('edited-b.txt'), 'edited on b');
    await writeFile(b.path('gone/inner.txt'), 'edited in a folder that is gone');
    await rename(b.path('twice.txt'), b.path('by-b.txt'));
    await mkdir(b.path('same'));
    await writeFile(b.path('same/from-b.txt'), 'b');
    await writeFile(b.path('new.txt'), 'new on b');
    await writeFile(b.path('moved/added.txt'), 'added under the old name');
  }

  const onBoth = async (name: string, content: string): Promise<void> => {
    for (const device of [a, b]) expect([name, await readFile(device.path(name), 'utf8')]).toEqual([name, content]);
  };

  test('an edit survives a deletion by somebody who had not seen it', async () => {
    await onBoth('edited-a.txt', 'edited on a');
    await onBoth('edited-b.txt', 'edited on b');
  });

  test('an edited file comes back with the folder that was deleted around it', async () => {
    await onBoth('gone/inner.txt', 'edited in a folder that is gone');
  });

  test('of two renames the first to arrive stands, and there is one file', async () => {
    await onBoth('by-a.txt', 'first twice.txt');
    expect(await readdir(b.mountpoint)).not.toContain('by-b.txt');
  });

  test('two new folders of one name become one', async () => {
    await onBoth('same/from-a.txt', 'a');
    await onBoth('same/from-b.txt', 'b');
  });

  test('of two new files of one name the later becomes a conflicted copy', async () => {
    await onBoth('new.txt', 'new on a');
    const copies = (await readdir(a.mountpoint)).filter((name) =>
      /^new \(.* conflicted copy [\d-]+\)\.txt$/.test(name),
    );
    expect(copies).toHaveLength(1);
    await onBoth(copies[0] ?? '', 'new on b');
  });

  test('a file put into a folder that was renamed meanwhile is in it under its new name', async () => {
    await onBoth('elsewhere/kept.txt', 'first moved/kept.txt');
    await onBoth('elsewhere/added.txt', 'added under the old name');
    expect(await readdir(a.mountpoint)).not.toContain('moved');
  });

  test('in the end both show the same tree', async () => {
    await eventually(async () => expect(await diffTrees(a.mountpoint, b.mountpoint)).toBe(''));
  });
});
