import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand, password } from './adas-stand.ts';
import { davGet } from './dav-fetch.ts';
import { exitCodes } from '../../cli/exit-codes.ts';
import { HoldfastProcess, program, runCommand } from './process.ts';
import type { Stand } from './stand.ts';

/** The order that docs/OPERATIONS.md gives: database, then packs, while the server works on. */
describe('a backup of a running server', () => {
  const kept = randomBytes(1_500_000);
  let stand: Stand;
  let backup: string;
  let restored: HoldfastProcess | undefined;

  beforeAll(async () => {
    ({ stand } = await openAdasStand({}));
    await put('kept.bin', kept);
    const data = join(stand.directory, 'data');
    backup = join(stand.directory, 'backup');
    await mkdir(backup, { mode: 0o700 });
    const database = new Database(join(data, 'metadata.db'), { readonly: true });
    await database.backup(join(backup, 'metadata.db'));
    database.close();
    await put('later.bin', randomBytes(400_000));
    await cp(join(data, 'packs'), join(backup, 'packs'), { recursive: true });
    await cp(join(data, 'master-keys.json'), join(backup, 'master-keys.json'));
  });

  afterEach(async () => {
    await restored?.end('SIGKILL');
    restored = undefined;
  });

  afterAll(() => stand?.close());

  async function put(name: string, body: Buffer): Promise<void> {
    const authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`;
    const options = { method: 'PUT', body: new Uint8Array(body), headers: { authorization } };
    expect((await fetch(`${stand.url}/dav/ada/${name}`, options)).status).toBe(201);
  }

  async function restore(): Promise<string> {
    const args = ['serve', '--data', backup, '--listen', '127.0.0.1:0'];
    restored = new HoldfastProcess(args, stand.directory);
    const [, url] = await restored.expect(/listening on (http:\S+)/);
    return url ?? '';
  }

  test('that took the database first and the packs after it holds all that the database names', async () => {
    const url = await restore();
    const got = await davGet(url, 'ada', password, 'kept.bin');
    expect([got.status, got.body.equals(kept)]).toEqual([200, true]);
    expect((await davGet(url, 'ada', password, 'later.bin')).status).toBe(404);
    const { body } = await davGet(stand.url, 'ada', password, 'kept.bin');
    expect(body.equals(kept)).toBe(true);
  });

  async function namesAndSizes(): Promise<string[]> {
    const entries = await readdir(backup, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    // Opening a SQLite file leaves an empty log and its index beside it.
    const kept = files.filter((file) => !/-(wal|shm)$/.test(file)).sort();
    return Promise.all(kept.map(async (file) => `${file} ${(await stat(file)).size}`));
  }

  test('is of no use to who has no master keys', async () => {
    // Random bytes are stored as they came, were they not sealed.
    const pieces = [0, 700_000, 1_400_000].map((at) => kept.subarray(at, at + 32));
    const entries = await readdir(backup, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    let searchedBytes = 0;
    for (const file of files) {
      const stored = await readFile(file);
      searchedBytes += stored.length;
      expect([file, pieces.some((piece) => stored.includes(piece))]).toEqual([file, false]);
    }
    expect(searchedBytes).toBeGreaterThan(kept.length);
  });

  test('does not start without the master keys that its packs need, and changes nothing', async () => {
    const keyFile = join(backup, 'master-keys.json');
    const keys = await readFile(keyFile, 'utf8');
    const { active } = JSON.parse(keys) as { active: string };
    const serve = ['serve', '--data', backup, '--listen', '127.0.0.1:0'];
    await rm(keyFile);
    const facts = await namesAndSizes();
    const missing = await runCommand(program, serve, { timeoutMs: 30_000 });
    expect([missing.code, missing.stdout]).toEqual([exitCodes.notFound, '']);
    for (const told of [keyFile, active, 'backup']) expect(missing.stderr).toContain(told);
    expect(await namesAndSizes()).toEqual(facts);

    const other = { format: 1, active: '0'.repeat(16), keys: [{ id: '0'.repeat(16), key: 'A'.repeat(43) + '=' }] };
    await writeFile(keyFile, JSON.stringify(other), { mode: 0o600 });
    const lacking = await runCommand(program, serve, { timeoutMs: 30_000 });
    expect([lacking.code, lacking.stderr.includes(active)]).toEqual([exitCodes.notFound, true]);

    await writeFile(keyFile, keys);
    const got = await davGet(await restore(), 'ada', password, 'kept.bin');
    expect([got.status, got.body.equals(kept)]).toEqual([200, true]);
  });
});
