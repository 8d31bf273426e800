import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DavClient } from './support/dav-client.ts';
import { Stand } from './support/stand.ts';

/** Whatever is sent: a clear error, nothing changed, and the server goes on. */

let stand: Stand;
let dav: DavClient;
let before: number;

beforeAll(async () => {
  stand = await Stand.open({ drainTimeoutMs: 500 });
  dav = new DavClient(stand, await stand.addUser('ada'));
  await dav.send('PUT', '/f', {}, 'unharmed');
});

afterAll(() => stand.close());

beforeEach(async () => {
  before = await dav.cursor();
});

afterEach(async () => {
  expect(await dav.cursor()).toBe(before);
  expect((await dav.send('GET', '/f')).text).toBe('unharmed');
  expect(stand.failures).toEqual([]);
});

const bomb =
  `<!DOCTYPE lolz [<!ENTITY lol "lol">${Array.from({ length: 9 }, (_, n) => `<!ENTITY lol${n} "&lol${n - 1};&lol${n - 1};">`).join('')}]>` +
  '<D:propfind xmlns:D="DAV:"><D:prop>&lol8;</D:prop></D:propfind>';

describe('XML', () => {
  test.each([
    ['an entity bomb', bomb, 400],
    ['an external entity', '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', 400],
    ['an unfinished document', '<D:propfind xmlns:D="DAV:"><D:prop>', 400],
    ['bytes that are no text', Buffer.from([0x3c, 0xff, 0xfe, 0x3e]), 400],
    ['deep nesting', '<a>'.repeat(100_000), 400],
    ['many elements', `<a>${'<b/>'.repeat(100_000)}</a>`, 400],
    ['more than a mebibyte', `<a>${' '.repeat(2_000_000)}</a>`, 413],
  ])('%s', async (_, body: string | Buffer, status) => {
    for (const method of ['PROPFIND', 'PROPPATCH', 'LOCK']) {
      const answer = await dav.send(method, '/f', { depth: '0' }, body);
      expect([method, answer.status]).toEqual([method, status]);
      expect(answer.text).not.toContain('root:');
    }
  });
});

const methods = ['GET', 'HEAD', 'PUT', 'DELETE', 'PROPFIND', 'MKCOL', 'LOCK', 'COPY', 'MOVE', 'OPTIONS'];

describe('a path', () => {
  test.each([
    ['with a broken escape', '/%zz'],
    ['with half an escape', '/a%'],
    ['that is not UTF-8', '/%ff%fe'],
    ['with an overlong form', '/%c0%ae%c0%ae/x'],
    ['with a surrogate', '/%ed%a0%80'],
    ['with dots', '/../../etc/passwd'],
    ['with encoded dots', '/%2e%2e/x'],
    ['with a dot', '/./x'],
    ['with NUL', '/a%00b'],
    ['with a slash in a name', '/a%2fb'],
    ['with a fragment', '/f#x'],
    ['with a name of 256 bytes', `/${'n'.repeat(256)}`],
    ['with a name of 86 characters of 3 bytes', `/${'%e2%82%ac'.repeat(86)}`],
  ])('%s', async (_, path) => {
    for (const method of methods.filter((name) => name !== 'OPTIONS')) {
      const request =
        `${method} ${dav.path(path)} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\n` +
        `Depth: 0\r\nDestination: ${dav.path('/z')}\r\nContent-Length: 0\r\n\r\n`;
      expect([method, await dav.raw(request)]).toEqual([method, expect.stringMatching(/^HTTP\/1\.1 400 /)]);
    }
  });

  test('is not needed to learn what others have', async () => {
    await stand.addUser('carol');
    for (const method of methods) {
      if (method === 'OPTIONS') continue;
      expect([method, (await dav.send(method, '/dav/carol/x', { destination: dav.path('/z') })).status]).toEqual([
        method,
        404,
      ]);
    }
  });
});

describe('malformed HTTP', () => {
  test.each([
    ['no request line', 'hello\r\n\r\n'],
    ['two lengths', 'PUT /dav/ada/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'a length and chunks',
      'PUT /dav/ada/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a header without a name', 'GET /dav/ada/f HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n'],
    ['a header of 100 KB', `GET /dav/ada/f HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`],
  ])('%s', async (_, request) => {
    expect(await dav.raw(request)).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  test('a chunk that is none ends the upload without a change', async () => {
    const request =
      `PUT ${dav.path('/x')} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\n` +
      'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n';
    await dav.raw(request);
    expect((await dav.send('GET', '/x')).status).toBe(404);
  });

  test('a refused request whose body never comes does not hold its connection', async () => {
    const request =
      `PUT ${dav.path('/none/x')} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\n` +
      'Content-Length: 1000000\r\n\r\nabc';
    expect(await dav.raw(request, /never/)).toMatch(/^HTTP\/1\.1 409 /);
  });
});

test.each([
  ['Depth', 'PROPFIND', { depth: 'x' }],
  ['Depth', 'LOCK', { depth: '1' }],
  ['If', 'PROPFIND', { depth: '0', if: '((' }],
  ['If-Match', 'GET', { 'if-match': 'x' }],
  ['Lock-Token', 'UNLOCK', { 'lock-token': '<' }],
  ['Overwrite', 'MOVE', { destination: '/dav/ada/z', overwrite: '?' }],
])('a malformed %s header of %s', async (_, method, headers: Record<string, string>) => {
  const body = method === 'LOCK' ? '<D:lockinfo xmlns:D="DAV:"/>' : undefined;
  const answer = await dav.send(method, '/f', headers, body);
  expect(answer.status).toBe(400);
  expect(answer.text.length).toBeGreaterThan(10);
});
