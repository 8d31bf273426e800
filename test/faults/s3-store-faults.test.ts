import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RetryingStore } from '../../blockstore/retrying-store.ts';
import { S3Store } from '../../blockstore/s3-store.ts';
import { systemClock } from '../../protocol/system-environment.ts';
import { collect } from '../unit/blockstore/make-block-store.ts';
import { seededBytes, seededRandomness } from '../unit/blockstore/seeded-bytes.ts';

/** What a server in trouble answers; one step a request, after which it would be wrong to come again. */
type Step = (request: IncomingMessage, response: ServerResponse) => void;

const object = seededBytes('object', 1_000_000);

/** Answers a GET with its range of the object, or breaks off after `bytes` of it. */
const partOf =
  (bytes = Infinity): Step =>
  (request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const body = object.subarray(Number(from), Number(to) + 1);
    response.writeHead(206, { 'content-length': body.length });
    if (bytes >= body.length) response.end(body);
    else response.write(body.subarray(0, bytes), () => setImmediate(() => response.destroy()));
  };
const status =
  (code: number, name: string): Step =>
  (request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(code).end(`<Error><Code>${name}</Code><Message>m</Message></Error>`));
  };
const reset: Step = (request) => request.socket.destroy();
const silent: Step = () => undefined;
const stalled: Step = (_request, response) => {
  response.writeHead(206, { 'content-length': 1000 });
  response.write('x');
};
const accepted: Step = (request, response) => {
  request.resume();
  request.on('end', () => response.writeHead(200, { etag: '"x"' }).end());
};

describe('S3Store over a server in trouble', () => {
  let server: Server;
  let plain: S3Store;
  let store: RetryingStore;
  let steps: Step[];
  let seen: string[];

  beforeAll(async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'id');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.headers.range ?? ''}`.trim());
      const step = steps.shift();
      if (step === undefined) response.writeHead(418).end();
      else step(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    steps = [accepted];
    seen = [];
    const timeouts = { connectionMs: 500, responseMs: 300, idleMs: 300 };
    plain = await S3Store.open({ bucket: 'bucket', prefix: '', endpoint, region: 'us-east-1', timeouts });
    seen = [];
    const policy = { attemptsMax: 3, delayMsMin: 1, delayMsMax: 2 };
    store = new RetryingStore(plain, { clock: systemClock, randomness: seededRandomness('s3') }, policy);
  });
  afterEach(() => {
    expect(steps, 'steps that no request came for').toEqual([]);
    seen = [];
  });
  afterAll(async () => {
    plain.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    vi.unstubAllEnvs();
  });

  const range = { offset: 100, length: 900_000 };
  const readRange = async () => Buffer.concat(await collect(store.get('key', range)));

  it('goes on with the rest of a range where a body was cut off', async () => {
    steps = [partOf(300_000), partOf(200_000), partOf()];
    expect(object.subarray(100, 900_100).equals(await readRange())).toBe(true);
    const starts = seen.map((line) => Number(/bytes=(\d+)-900099/.exec(line)?.[1]));
    expect(starts[0]).toBe(100);
    expect(starts[1]).toBeGreaterThan(100);
    expect(starts[2]).toBeGreaterThan(starts[1] ?? 0);
  });

  it('tries again after errors of the server, resets and silence', async () => {
    steps = [status(503, 'SlowDown'), reset, partOf()];
    expect(await readRange()).toHaveLength(900_000);
    steps = [silent, status(500, 'InternalError'), accepted];
    await store.put('key', object);
  });

  it('gives up in the end, with the last error', async () => {
    steps = [status(503, 'SlowDown'), reset, status(503, 'SlowDown')];
    await expect(store.put('key', object)).rejects.toMatchObject({ code: 'unavailable' });
    steps = [silent, silent, silent];
    await expect(store.head('key')).rejects.toMatchObject({ code: 'timeout' });
  });

  it('notices a body that stalls', async () => {
    steps = [stalled];
    await expect(collect(plain.get('key', { offset: 0, length: 1000 }))).rejects.toMatchObject({ code: 'timeout' });
  });

  it.each([
    ['AccessDenied', 403, 'forbidden', /AccessDenied/],
    ['SignatureDoesNotMatch', 403, 'forbidden', /AWS_SECRET_ACCESS_KEY/],
    ['NoSuchKey', 404, 'notFound', /NoSuchKey/],
    ['InvalidRange', 416, 'invalidArgument', /InvalidRange/],
    ['QuotaExceeded', 403, 'noSpace', /QuotaExceeded/],
  ])('does not try again what would fail again: %s', async (name, code, drive, message) => {
    steps = [status(code, name)];
    await expect(readRange()).rejects.toMatchObject({ code: drive, message: expect.stringMatching(message) as string });
  });

  it('says that the bucket is missing, which may be mended while it waits', async () => {
    steps = [status(404, 'NoSuchBucket'), status(404, 'NoSuchBucket'), status(404, 'NoSuchBucket')];
    await expect(readRange()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/make it/) as string,
    });
  });
});
