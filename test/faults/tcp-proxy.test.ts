import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TcpProxy } from './tcp-proxy.ts';

const delayMs = 40;
const pieces = 200;

describe('a delayed line', () => {
  let echo: Server;
  let line: TcpProxy;
  const clients: Socket[] = [];

  beforeEach(async () => {
    echo = createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    line = await TcpProxy.open('127.0.0.1', (echo.address() as AddressInfo).port, delayMs);
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await line.close();
    echo.close();
  });

  async function open(): Promise<Socket> {
    const client = connect(Number(new URL(line.url).port), '127.0.0.1')
      .setNoDelay(true)
      .setEncoding('utf8');
    clients.push(client);
    await once(client, 'connect');
    return client;
  }

  async function echoed(client: Socket, text: string): Promise<{ readonly got: string; readonly ms: number }> {
    const startMs = performance.now();
    let got = '';
    while (got.length < text.length) {
      if (got === '') client.write(text);
      const [data] = (await once(client, 'data')) as [string];
      got += data;
    }
    return { got, ms: performance.now() - startMs };
  }

  test('takes a round trip for an answer, and one more on a new connection', async () => {
    const client = await open();
    expect((await echoed(client, 'first')).ms).toBeGreaterThanOrEqual(4 * delayMs - 2);
    const { got, ms } = await echoed(client, 'second');
    expect(got).toBe('second');
    expect(ms).toBeGreaterThanOrEqual(2 * delayMs - 2);
  });

  test('keeps many pieces under way at once, in their order', async () => {
    const client = await open();
    const sent = Array.from({ length: pieces }, (_, index) => `${index} `);
    let got = '';
    client.on('data', (text: string) => (got += text));
    const startMs = performance.now();
    for (const piece of sent) {
      client.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    while (got.length < sent.join('').length) await once(client, 'data');
    expect(got).toBe(sent.join(''));
    expect(performance.now() - startMs).toBeLessThan(pieces * delayMs);
  });

  test('that is frozen passes nothing and tells nobody, and new connections work once it thaws', async () => {
    const client = await open();
    await echoed(client, 'before');
    line.freeze();
    const answered = once(client, 'data').then(
      () => 'answered',
      () => 'ended',
    );
    const ended = once(client, 'close').then(() => 'ended');
    client.write('into the void');
    const silent = new Promise((resolve) => setTimeout(resolve, 5 * delayMs, 'silent'));
    expect(await Promise.race([answered, ended, silent])).toBe('silent');
    line.thaw();
    expect(await ended).toBe('ended');
    expect((await echoed(await open(), 'after')).got).toBe('after');
  });
});
