import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { pino } from 'pino';
import { startGateway } from '../../gateway/server.ts';
import { RemoteDrive } from '../../mount/remote/remote-drive.ts';
import type { BlockFrame } from '../../protocol/block-service.ts';
import type { Version } from '../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';
import { RawConnection } from './raw-http.ts';
import { startTestServer } from './test-server.ts';
import { commitOf, manifestOf, newFile, randomBlock, stream } from './tree-values.ts';

const run = promisify(execFile);
const timeouts = { connectMs: 300, headersMs: 300, idleMs: 300 };

describe('a server that closes', () => {
  test('finishes what is under way', async () => {
    const server = await startTestServer();
    const ada = await server.addUser('ada');
    const started = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    async function* frames(): AsyncGenerator<BlockFrame> {
      yield randomBlock(200_000).frame;
      started.resolve();
      await goOn.promise;
      yield randomBlock(200_000).frame;
    }
    const put = ada.drive.put(ada.namespace, frames());
    await started.promise;
    await vi.waitFor(async () => expect((await fetch(`${server.gateway.url}/healthz`)).status).toBe(200));
    const closed = server.gateway.close();
    goOn.resolve();
    expect(await put).toMatchObject({ receivedBlocks: 2 });
    await closed;
    await expect(ada.drive.whoami()).rejects.toMatchObject({ code: 'unavailable' });
    await server.metadata.close();
  });

  test('cuts what does not end in time', async () => {
    const server = await startTestServer({ limits: { closeGraceMs: 200 } });
    const connection = new RawConnection(server.gateway.port);
    connection.socket.write('POST /api/v2/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
    await vi.waitFor(() => expect(connection.socket.readyState).toBe('open'));
    await fetch(`${server.gateway.url}/healthz`);
    await server.close();
    await connection.closed;
    expect(connection.received).toBe('');
  });

  test('frees its port, and says when another has it', async () => {
    const server = await startTestServer();
    const ada = await server.addUser('ada');
    await server.restart();
    expect(await ada.drive.whoami()).toMatchObject({ userName: 'ada' });
    const parts = { metadata: server.metadata, blockStore: server.blockStore, logger: pino({ level: 'silent' }) };
    const listen = { host: '127.0.0.1', port: server.gateway.port };
    const second = startGateway({ ...parts, listen, clock: systemClock, randomness: systemRandomness });
    await expect(second).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('another program uses it') as string,
    });
    await server.close();
  });
});

describe('a server that is not there', () => {
  test('is unavailable', async () => {
    const drive = new RemoteDrive({ url: 'http://127.0.0.1:1', token: 'x', timeouts });
    await expect(drive.namespaces()).rejects.toMatchObject({ code: 'unavailable' });
    drive.close();
  });

  test('or does not answer times out, and one that is none of ours is unavailable', async () => {
    const answers = [
      '',
      'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello',
      'nonsense\r\n\r\n',
    ];
    const codes: unknown[] = [];
    for (const answer of answers) {
      const impostor = createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.write(answer));
      });
      await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
      const { port } = impostor.address() as { port: number };
      const drive = new RemoteDrive({ url: `http://127.0.0.1:${port}`, token: 'x', timeouts });
      codes.push(
        await drive.namespaces().then(
          () => 'ok',
          (error: { code: string }) => error.code,
        ),
      );
      drive.close();
      await new Promise((resolve) => impostor.close(resolve));
    }
    expect(codes).toEqual(['timeout', 'unavailable', 'unavailable']);
  });

  test('or falls silent in the middle of an answer times out, unless its reader is slow', async () => {
    const server = await startTestServer();
    const ada = await server.addUser('ada');
    const blocks = Array.from({ length: 40 }, () => randomBlock(2 ** 20));
    await ada.drive.put(ada.namespace, stream(blocks.map(({ frame }) => frame)));
    const file = newFile(ada.namespace, 'long', { manifest: manifestOf(...blocks) });
    const { cursor } = await ada.drive.commit(ada.namespace, commitOf(file));
    const request = { inode: file.inode, version: cursor as number as Version, hashes: blocks.map(({ hash }) => hash) };
    let count = 0;
    const impatient = new RemoteDrive({
      url: server.gateway.url,
      token: ada.token,
      timeouts: { ...timeouts, headersMs: 10_000 },
    });
    for await (const _frame of impatient.get(ada.namespace, request)) {
      if (count === 0) await systemClock.sleep(3 * timeouts.idleMs);
      count += 1;
    }
    expect(count).toBe(40);
    impatient.close();
    await server.close();

    const silent = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n[');
      });
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const drive = new RemoteDrive({ url: `http://127.0.0.1:${port}`, token: 'x', timeouts });
    await expect(drive.namespaces()).rejects.toMatchObject({ code: 'timeout' });
    drive.close();
    await new Promise((resolve) => silent.close(resolve));
  });

  test('by a malformed address says how to write it', () => {
    expect(() => new RemoteDrive({ url: 'drive.example', token: 'x' })).toThrow(/https:\/\/drive\.example/);
  });
});

describe('TLS', () => {
  let directory: string;
  const certificate = async (name: string) => {
    const [key, cert] = [join(directory, `${name}.key`), join(directory, `${name}.crt`)];
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
    ]);
    return { key, cert };
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-tls-'));
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  test('serves, refuses strangers to the certificate, and takes a new one into use', async () => {
    const tls = await certificate('first');
    const ca = await readFile(tls.cert, 'utf8');
    const server = await startTestServer({ tls, ca });
    const ada = await server.addUser('ada');
    expect(server.gateway.url).toMatch(/^https:/);
    const block = randomBlock(100_000);
    expect(await ada.drive.put(ada.namespace, stream([block.frame]))).toMatchObject({ receivedBlocks: 1 });
    await ada.drive.commit(ada.namespace, commitOf(newFile(ada.namespace, 'over tls')));
    const distrustful = new RemoteDrive({ url: server.gateway.url, token: ada.token });
    await expect(distrustful.whoami()).rejects.toMatchObject({ code: 'unavailable' });
    distrustful.close();
    const second = await certificate('second');
    await copyFile(second.key, tls.key);
    await copyFile(second.cert, tls.cert);
    process.emit('SIGHUP');
    const trusting = new RemoteDrive({
      url: server.gateway.url,
      token: ada.token,
      ca: await readFile(second.cert, 'utf8'),
    });
    expect(await trusting.whoami()).toMatchObject({ userName: 'ada' });
    trusting.close();
    await server.close();
  });
});
