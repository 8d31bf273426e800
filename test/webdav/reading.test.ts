import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DavClient } from './support/dav-client.ts';
import type { DavAnswer } from './support/dav-client.ts';
import { Stand } from './support/stand.ts';

let stand: Stand;
let dav: DavClient;

beforeAll(async () => {
  stand = await Stand.open({ uploadWindowBytes: 1024 * 1024, downloadWindowBytes: 1024 * 1024 });
  dav = new DavClient(stand, await stand.addUser('ada'));
});

afterAll(() => stand.close());

describe('a small file', () => {
  let head: DavAnswer;

  beforeAll(async () => {
    await dav.send('PUT', '/small.txt', {}, '0123456789');
    head = await dav.send('HEAD', '/small.txt');
  });

  test('is told of by HEAD as by GET, without its bytes', async () => {
    const whole = await dav.send('GET', '/small.txt');
    expect(head.body.length).toBe(0);
    expect(whole.text).toBe('0123456789');
    for (const answer of [head, whole]) {
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        'content-length': '10',
        'content-type': 'text/plain; charset=utf-8',
        'accept-ranges': 'bytes',
        'x-content-type-options': 'nosniff',
        'content-security-policy': 'sandbox',
      });
      expect(answer.headers.etag).toMatch(/^"[0-9a-f]{32}-\d+"$/);
    }
  });

  test.each([
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=8-100', '89', 'bytes 8-9/10'],
  ])('gives %s', async (range, text, contentRange) => {
    const answer = await dav.send('GET', '/small.txt', { range });
    expect([answer.status, answer.text, answer.headers['content-range']]).toEqual([206, text, contentRange]);
    expect(answer.headers['content-length']).toBe(String(text.length));
  });

  test.each(['bytes=0-1,3-4', 'bytes=x', 'lines=1-2'])('is sent whole for %s', async (range) => {
    expect(await dav.send('GET', '/small.txt', { range })).toMatchObject({ status: 200 });
  });

  test('has nothing at a range beyond its end', async () => {
    const answer = await dav.send('GET', '/small.txt', { range: 'bytes=10-' });
    expect([answer.status, answer.headers['content-range']]).toEqual([416, 'bytes */10']);
  });

  test('is sent in part only while If-Range names this version', async () => {
    const of = async (ifRange: string) =>
      (await dav.send('GET', '/small.txt', { range: 'bytes=0-1', 'if-range': ifRange })).status;
    expect(await of(String(head.headers.etag))).toBe(206);
    expect(await of(String(head.headers['last-modified']))).toBe(206);
    expect(await of('"other"')).toBe(200);
    expect(await of(`W/${head.headers.etag}`)).toBe(200);
    expect(await of('Mon, 01 Jan 2001 00:00:00 GMT')).toBe(200);
  });

  test('answers conditional reads', async () => {
    const etag = String(head.headers.etag);
    const modified = String(head.headers['last-modified']);
    const past = 'Mon, 01 Jan 2001 00:00:00 GMT';
    const of = async (headers: Record<string, string>) => (await dav.send('GET', '/small.txt', headers)).status;
    expect(await of({ 'if-none-match': etag })).toBe(304);
    expect(await of({ 'if-none-match': `"x", W/${etag}` })).toBe(304);
    expect(await of({ 'if-none-match': '*' })).toBe(304);
    expect(await of({ 'if-none-match': '"x"' })).toBe(200);
    expect(await of({ 'if-match': etag })).toBe(200);
    expect(await of({ 'if-match': '*' })).toBe(200);
    expect(await of({ 'if-match': '"x"' })).toBe(412);
    expect(await of({ 'if-match': `W/${etag}` })).toBe(412);
    expect(await of({ 'if-modified-since': modified })).toBe(304);
    expect(await of({ 'if-modified-since': past })).toBe(200);
    expect(await of({ 'if-modified-since': 'yesterday' })).toBe(200);
    expect(await of({ 'if-unmodified-since': past })).toBe(412);
    expect(await of({ 'if-unmodified-since': modified })).toBe(200);
    expect(await of({ 'if-none-match': '"x"', 'if-modified-since': modified })).toBe(200);
    expect(await of({ 'if-none-match': 'garbage' })).toBe(400);
  });
});

describe('a file of many blocks', () => {
  const bytes = randomBytes(12 * 1024 * 1024 + 123);

  beforeAll(async () => {
    expect((await dav.send('PUT', '/large', {}, bytes)).status).toBe(201);
  });

  beforeEach(() => {
    stand.traffic.gotBlocks = 0;
    stand.traffic.gotBytes = 0;
  });

  test('comes back as it was', async () => {
    const answer = await dav.send('GET', '/large');
    expect(answer.headers['content-length']).toBe(String(bytes.length));
    expect(answer.body.equals(bytes)).toBe(true);
  });

  test('comes back as it was where the same blocks come again and again', async () => {
    const repeated = Buffer.concat(Array.from({ length: 20 }, () => bytes.subarray(0, 300_000)));
    expect((await dav.send('PUT', '/repeated', {}, repeated)).status).toBe(201);
    expect((await dav.send('GET', '/repeated')).body.equals(repeated)).toBe(true);
    // Several of a window are one block.
    expect(stand.traffic.gotBytes).toBeLessThan(repeated.length * 0.8);
  });

  test('a range at its end reads only the blocks there', async () => {
    const answer = await dav.send('GET', '/large', { range: 'bytes=-10' });
    expect(answer.body.equals(bytes.subarray(-10))).toBe(true);
    expect(stand.traffic.gotBlocks).toBe(1);
  });

  test('ranges over block borders are exact', async () => {
    for (const [start, end] of [
      [0, 3_000_000],
      [999_999, 1_000_001],
      [5_000_000, 9_000_000],
      [bytes.length - 1, bytes.length],
    ] as const) {
      const answer = await dav.send('GET', '/large', { range: `bytes=${start}-${end - 1}` });
      expect(answer.body.equals(bytes.subarray(start, end))).toBe(true);
    }
  });

  test('a client that goes away stops the reading', async () => {
    const request = `GET ${dav.path('/large')} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\n\r\n`;
    await dav.raw(request);
    expect((await dav.send('GET', '/small.txt')).status).toBe(200);
    expect(stand.traffic.gotBytes).toBeLessThan(bytes.length);
    expect(stand.failures).toEqual([]);
  });
});

describe('damaged blocks are never given for good', () => {
  beforeEach(async () => {
    await dav.send('PUT', '/damaged', {}, randomBytes(6 * 1024 * 1024));
    stand.traffic.gotBlocks = 0;
  });

  afterEach(() => {
    stand.damageAfterBlocks = null;
    stand.failures.length = 0;
  });

  test('at the start the answer is an error', async () => {
    stand.damageAfterBlocks = 0;
    expect((await dav.send('GET', '/damaged')).status).toBe(500);
    expect(stand.failures.join()).toContain('stored bytes of "/damaged" are damaged');
  });

  test('later on the connection breaks', async () => {
    stand.damageAfterBlocks = 15;
    await expect(dav.send('GET', '/damaged')).rejects.toThrow(/aborted|socket hang up/);
    expect((await dav.send('GET', '/small.txt')).status).toBe(200);
  });
});

test('an empty file is empty', async () => {
  expect((await dav.send('PUT', '/empty', {}, '')).status).toBe(201);
  const answer = await dav.send('GET', '/empty');
  expect([answer.status, answer.text, answer.headers['content-length']]).toEqual([200, '', '0']);
});

test('a collection shows a page that links to its members and runs nothing', async () => {
  await dav.send('MKCOL', '/page');
  await dav.send('PUT', '/page/%3Cscript%3E%26%22.txt', {}, 'x');
  const answer = await dav.send('GET', '/page/');
  expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
  expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
  expect(answer.text).toContain('&lt;script&gt;&amp;');
  expect(answer.text).not.toContain('<script');
  expect(answer.text).toContain('href="/dav/ada/page/%3Cscript%3E%26%22.txt"');
  expect((await dav.send('GET', '/dav/')).text).toContain('href="/dav/ada/"');
});

test('what is not there is 404', async () => {
  expect((await dav.send('GET', '/nothing')).status).toBe(404);
  expect((await dav.send('GET', '/small.txt/below')).status).toBe(404);
  expect((await dav.send('GET', '/dav/nobody/x')).status).toBe(404);
});
