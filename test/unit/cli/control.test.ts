import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askMount } from '../../../cli/control-client.ts';
import { ControlServer } from '../../../cli/control-server.ts';
import { DriveError } from '../../../protocol/errors.ts';

describe('the control socket of a mount', () => {
  let directory: string;
  let path: string;
  let server: ControlServer | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-control-'));
    path = join(directory, 'control.sock');
  });

  afterEach(async () => {
    await server?.close();
    server = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  test('answers a request', async () => {
    server = await ControlServer.listen(path, async (request) => ({ asked: request.method }));
    expect(await askMount(path, { method: 'status' }, 5_000)).toEqual({ asked: 'status' });
  });

  test('carries an error with its code', async () => {
    server = await ControlServer.listen(path, async () => {
      throw new DriveError('timeout', 'still 3 files to upload');
    });
    await expect(askMount(path, { method: 'drain', timeoutMs: 1 }, 5_000)).rejects.toMatchObject({
      code: 'timeout',
      message: 'still 3 files to upload',
    });
  });

  test('says that no mount is running where nobody listens', async () => {
    await expect(askMount(path, { method: 'status' }, 5_000)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('gives up on a mount that does not answer', async () => {
    let release = (): void => undefined;
    server = await ControlServer.listen(path, () => new Promise<void>((resolve) => (release = resolve)));
    await expect(askMount(path, { method: 'status' }, 50)).rejects.toMatchObject({ code: 'timeout' });
    release();
  });

  test('refuses what is not a request, and lives', async () => {
    server = await ControlServer.listen(path, async () => 'fine');
    const socket = connect(path);
    socket.write('{"method":"format"}\n');
    const [line] = (await once(socket, 'data')) as [Buffer];
    expect(JSON.parse(line.toString())).toHaveProperty('error');
    expect(await askMount(path, { method: 'status' }, 5_000)).toBe('fine');
  });
});
