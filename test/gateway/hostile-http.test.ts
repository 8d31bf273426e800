import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { DriveError } from '../../protocol/errors.ts';
import type { MetadataStore } from '../../protocol/metadata-store.ts';
import { endpointPath, endpoints, streamEndpoints } from '../../protocol/wire/endpoints.ts';
import { exchangeRaw, RawConnection } from './raw-http.ts';
import { startTestServer } from './test-server.ts';
import type { TestServer, TestUser } from './test-server.ts';
import { commitOf, newFile } from './tree-values.ts';

const limits = {
  headersTimeoutMs: 300,
  headersCheckMs: 100,
  idleTimeoutMs: 1000,
  keepAliveTimeoutMs: 300,
  bodyGraceMs: 300,
  bodyBytesPerSecondMin: 100_000,
  leftoverTimeoutMs: 500,
};

describe('hostile HTTP', () => {
  let server: TestServer;
  let ada: TestUser;
  let defect: (() => never) | undefined;

  /** The caller's tree fails when a test asks for it, as a defect would make it. */
  function faulty(metadata: MetadataStore): MetadataStore {
    return new Proxy(metadata, {
      get: (target, name) => {
        if (name === 'as') defect?.();
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  beforeAll(async () => {
    server = await startTestServer({ limits, decorate: faulty });
    ada = await server.addUser('ada');
  });

  afterAll(async () => {
    // Whatever a test did, the process serves on.
    expect((await fetch(`${server.gateway.url}/readyz`)).status).toBe(200);
    await ada.drive.commit(ada.namespace, commitOf(newFile(ada.namespace, 'still alive')));
    await server.close();
  });

  const head = (path: string, more = '') =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ada.token}\r\n${more}`;
  const whoami = endpointPath(endpoints.whoami);

  test.each([
    'nonsense\r\n\r\n',
    '\0\0\0\0\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.1\r\nno colon\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'POST /api/v2/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  ])('%j is answered 400 and the connection ends', async (text) => {
    const { status } = await exchangeRaw(server.gateway.port, Buffer.from(text, 'latin1'));
    expect(status).toBe(400);
  });

  test('headers without end are refused', async () => {
    const { status } = await exchangeRaw(server.gateway.port, `GET / HTTP/1.1\r\nX: ${'x'.repeat(40_000)}`);
    expect(status).toBe(431);
  });

  test.each([
    '/%zz',
    '/dav/%zz',
    '/dav/%00',
    '/dav/..%2f..%2fetc/passwd',
    '//',
    '/api/v2/constructor',
    '/api/v2/__proto__',
    '/api/v2/namespaces/x/constructor',
  ])('the path %s is answered and no more', async (path) => {
    const { status } = await exchangeRaw(server.gateway.port, head(path, 'Connection: close\r\n\r\n'));
    expect([400, 404, 405]).toContain(status);
  });

  test('another version of the API is told from a wrong path', async () => {
    const response = await fetch(`${server.gateway.url}/api/v999/whoami`, { method: 'POST' });
    expect(await response.json()).toMatchObject({ error: { code: 'unsupported' } });
  });

  test('a method that is not POST is refused', async () => {
    const response = await fetch(server.gateway.url + whoami);
    expect(response.status).toBe(400);
    await response.arrayBuffer();
  });

  test('who never ends his headers is cut off', async () => {
    const connection = new RawConnection(server.gateway.port);
    connection.socket.write('GET / HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => connection.socket.write('X: y\r\n'), 50);
    await connection.closed;
    clearInterval(drip);
    expect(connection.status).toBe(408);
  });

  test('who drips his body is cut off', async () => {
    const connection = new RawConnection(server.gateway.port);
    connection.socket.write(head(endpointPath(endpoints.commit, ada.namespace), 'Content-Length: 1000\r\n\r\n'));
    const drip = setInterval(() => connection.socket.write(' '), 50);
    await connection.closed;
    clearInterval(drip);
    expect(connection.status).toBe(504);
  });

  test('who says nothing is cut off', async () => {
    const connection = new RawConnection(server.gateway.port);
    connection.socket.write(head(whoami, 'Content-Length: 2\r\n\r\n'));
    await connection.closed;
    expect(connection.received).toBe('');
  });

  test('a body beyond the limit is refused before it is sent, and while it is', async () => {
    const announced = await exchangeRaw(server.gateway.port, head(whoami, 'Content-Length: 99999999999\r\n\r\n'));
    expect(announced.status).toBe(413);
    const size = (2 ** 20).toString(16);
    const chunk = `${size}\r\n${'x'.repeat(2 ** 20)}\r\n`;
    const chunked = await exchangeRaw(
      server.gateway.port,
      head(whoami, 'Transfer-Encoding: chunked\r\n\r\n') + chunk.repeat(3),
    );
    expect(chunked.status).toBe(413);
  });

  test('a refused upload is not asked for', async () => {
    const path = endpointPath(streamEndpoints.putBlocks, 'ab'.repeat(16) as typeof ada.namespace);
    const connection = new RawConnection(server.gateway.port);
    connection.socket.write(head(path, 'Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n'));
    await vi.waitFor(() => expect(connection.status).toBe(404));
    expect(connection.received).not.toContain('100 Continue');
    await connection.closed;
    const asked = new RawConnection(server.gateway.port);
    asked.socket.write(head(whoami, 'Expect: 100-continue\r\nContent-Length: 2\r\n\r\n'));
    await vi.waitFor(() => expect(asked.received).toContain('100 Continue'));
    asked.socket.write('{}');
    await vi.waitFor(() => expect(asked.received).toContain('200 OK'));
    asked.socket.destroy();
  });

  test('a client that goes away in the middle is logged as that', async () => {
    const cancelled = () => server.log.filter(({ error }) => error === 'cancelled').length;
    const count = cancelled();
    const connection = new RawConnection(server.gateway.port);
    const expectation = 'Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n';
    connection.socket.write(head(endpointPath(endpoints.commit, ada.namespace), expectation));
    await vi.waitFor(() => expect(connection.received).toContain('100 Continue'));
    connection.socket.destroy();
    await vi.waitFor(() => expect(cancelled()).toBe(count + 1));
  });

  test.each([new TypeError('secret internals'), new DriveError('unavailable', 'the database is away')])(
    'what a handler throws is an answer and a log line: %s',
    async (thrown) => {
      defect = () => {
        throw thrown;
      };
      const code = thrown instanceof DriveError ? thrown.code : 'internal';
      try {
        await expect(ada.drive.whoami()).rejects.toMatchObject({ code });
        await expect(ada.drive.whoami()).rejects.not.toThrow('secret internals');
      } finally {
        defect = undefined;
      }
      await vi.waitFor(() => expect(server.log).toContainEqual(expect.objectContaining({ error: code })));
    },
  );

  test('health and readiness are told without a token', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const response = await fetch(server.gateway.url + path);
      expect(await response.json()).toEqual({ status: 'ok' });
    }
  });
});
