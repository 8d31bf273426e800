import { open, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';
import { diffTrees } from './tree-facts.ts';

const fileBytes = 300_000;

/** Writes files one after another, each fsynced, until `stop` or an error; returns the names that were fsynced. */
async function writeUntil(
  device: Device,
  prefix: string,
  stop: AbortSignal,
): Promise<{ names: string[]; error: unknown }> {
  const names: string[] = [];
  try {
    for (let index = 0; !stop.aborted; index += 1) {
      const name = `${prefix}-${index}`;
      const file = await open(device.path(name), 'w');
      try {
        await file.writeFile(contentOf(name));
        await file.sync();
        names.push(name);
      } finally {
        await file.close();
      }
    }
    return { names, error: undefined };
  } catch (error) {
    return { names, error };
  }
}

function contentOf(name: string): Buffer {
  return Buffer.alloc(fileBytes, `${name} `);
}

describe.skipIf(skipLoudly('crashes', whyNoMount()))('kill -9 during a copy', () => {
  let stand: Stand;
  let a: Device;
  let b: Device;

  beforeAll(async () => {
    ({ stand, a, b } = await openAdasStand({ a: 'direct', b: 'direct' }));
  });

  afterAll(() => stand?.close());

  async function expectConverged(names: readonly string[]): Promise<void> {
    await a.drain(120);
    const { cursor } = await a.status();
    await eventually(async () => expect((await b.status()).cursor).toBeGreaterThanOrEqual(cursor), 60_000);
    expect(await diffTrees(a.mountpoint, b.mountpoint)).toBe('');
    for (const name of names) expect((await readFile(b.path(name))).equals(contentOf(name)), name).toBe(true);
  }

  test('of the server: the mount goes on, and what was written reaches the server after its restart', async () => {
    const stop = new AbortController();
    const writing = writeUntil(a, 'server', stop.signal);
    await eventually(async () => expect((await a.status()).uploadedBlocks).toBeGreaterThan(5));
    await stand.server.end('SIGKILL');
    await eventually(async () => expect((await a.status()).connected).toBe(false));
    stop.abort();
    const { names, error } = await writing;
    expect(error).toBeUndefined();
    expect(names.length).toBeGreaterThan(5);
    await stand.startServer();
    await expectConverged(names);
  }, 240_000);

  test('of the mount: all that was fsynced is there after its restart', async () => {
    const writing = writeUntil(a, 'mount', new AbortController().signal);
    const before = (await a.status()).uploadedBlocks;
    await eventually(async () => expect((await a.status()).uploadedBlocks).toBeGreaterThan(before + 5));
    await a.kill();
    const { names, error } = await writing;
    expect(error).toBeDefined();
    expect(names.length).toBeGreaterThan(5);
    await a.mount();
    for (const name of names) expect((await readFile(a.path(name))).equals(contentOf(name)), name).toBe(true);
    await expectConverged(names);
  }, 240_000);
});
