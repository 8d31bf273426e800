import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DavClient, propertyText } from './support/dav-client.ts';
import { Stand } from './support/stand.ts';

let stand: Stand;
let dav: DavClient;

beforeAll(async () => {
  stand = await Stand.open({ uploadWindowBytes: 1024 * 1024, downloadWindowBytes: 1024 * 1024 });
  dav = new DavClient(stand, await stand.addUser('ada'));
});

afterAll(() => stand.close());

afterEach(() => expect(stand.failures).toEqual([]));

test('PUT creates, then replaces, and tells each version', async () => {
  const created = await dav.send('PUT', '/f', {}, 'one');
  const replaced = await dav.send('PUT', '/f', {}, 'two');
  expect([created.status, replaced.status]).toEqual([201, 204]);
  const read = await dav.send('GET', '/f');
  expect([read.text, read.headers.etag]).toEqual(['two', replaced.headers.etag]);
  expect(created.headers.etag).not.toBe(replaced.headers.etag);
});

test('bytes that the namespace has are not put again', async () => {
  const bytes = randomBytes(3_000_000);
  await dav.send('PUT', '/once', {}, bytes);
  stand.traffic.putBlocks = 0;
  await dav.send('PUT', '/twice', {}, bytes);
  expect(stand.traffic.putBlocks).toBe(0);
  expect((await dav.send('GET', '/twice')).body.equals(bytes)).toBe(true);
});

test('X-OC-Mtime sets the time', async () => {
  const answer = await dav.send('PUT', '/timed', { 'x-oc-mtime': '1000000000.5' }, 'x');
  expect(answer.headers['x-oc-mtime']).toBe('accepted');
  expect((await dav.send('HEAD', '/timed')).headers['last-modified']).toBe('Sun, 09 Sep 2001 01:46:40 GMT');
  const state = await dav.user.metadata.resolve(dav.user.namespace, ['timed']);
  expect(state.mtimeNs).toBe(1_000_000_000_500_000_000n);
});

describe('a refused PUT changes nothing', () => {
  test.each([
    ['on a precondition that names another version', '/f', { 'if-match': '"x"' }, 412],
    ['on a file that must not exist', '/f', { 'if-none-match': '*' }, 412],
    ['on a file that must exist', '/new', { 'if-match': '*' }, 412],
    ['for a part of a file', '/f', { 'content-range': 'bytes 0-2/10' }, 400],
    ['with a coding', '/f', { 'content-encoding': 'gzip' }, 415],
    ['without a parent', '/none/f', {}, 409],
    ['below a file', '/f/g', {}, 409],
    ['to a collection', '/', {}, 405],
    ['to a URL of a collection', '/g/', {}, 405],
    ['with a time that is none', '/f', { 'x-oc-mtime': 'now' }, 400],
    ['with an If header that does not hold', '/f', { if: '(<urn:x>)' }, 412],
  ])('%s', async (_, path, headers: Record<string, string>, status) => {
    const before = await dav.cursor();
    expect((await dav.send('PUT', path, headers, 'xyz')).status).toBe(status);
    expect(await dav.cursor()).toBe(before);
  });

  test('If-None-Match: * lets a new file be made', async () => {
    expect((await dav.send('PUT', '/fresh', { 'if-none-match': '*' }, 'x')).status).toBe(201);
  });
});

test('an upload that breaks off leaves the old file', async () => {
  await dav.send('PUT', '/kept', {}, 'the old content');
  const before = await dav.cursor();
  const socket = connect(stand.port, '127.0.0.1');
  socket.write(
    `PUT ${dav.path('/kept')} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\nContent-Length: 9000000\r\n\r\n`,
  );
  const { promise, resolve } = Promise.withResolvers<undefined>();
  socket.write(randomBytes(2_000_000), () => {
    socket.destroy();
    resolve(undefined);
  });
  await promise;
  expect((await dav.send('GET', '/kept')).text).toBe('the old content');
  expect(await dav.cursor()).toBe(before);
});

test('a client that asks first gets to send only what will be taken', async () => {
  const head = (path: string, more = '') =>
    `PUT ${dav.path(path)} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\n` +
    `Content-Length: 5\r\nExpect: 100-continue\r\n${more}\r\n`;
  expect(await dav.raw(head('/asked'))).toMatch(/^HTTP\/1\.1 100 Continue/);
  const refused = await dav.raw(head('/kept', 'If-None-Match: *\r\n'));
  expect(refused).toMatch(/^HTTP\/1\.1 412 /);
  expect(refused).toMatch(/connection: close/i);
  expect(await dav.raw(`${head('/asked')}hello`, /201 Created/)).toMatch(/100 Continue[^]*201 Created/);
  expect((await dav.send('GET', '/asked')).text).toBe('hello');
});

test('a request whose announced body is not wanted ends the connection', async () => {
  const request =
    `MOVE ${dav.path('/asked')} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\n` +
    `Destination: ${dav.path('/moved')}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
  const answer = await dav.raw(request);
  expect(answer).toMatch(/^HTTP\/1\.1 201 /);
  expect(answer).toMatch(/connection: close/i);
});

test('what does not fit the quota is refused before it is sent', async () => {
  const { usedBytes } = await dav.user.metadata.namespace(dav.user.namespace);
  stand.quotaBytes = usedBytes + 10;
  try {
    const head = (path: string, length: number) =>
      `PUT ${dav.path(path)} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\n` +
      `Content-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`;
    expect(await dav.raw(head('/too-large', 11))).toMatch(/^HTTP\/1\.1 507 /);
    expect(await dav.raw(head('/fits', 10))).toMatch(/^HTTP\/1\.1 100 /);
    const names = '<prop><quota-available-bytes/><quota-used-bytes/></prop>';
    const [root] = await dav.propfind('/', '0', `<propfind xmlns="DAV:">${names}</propfind>`);
    expect(propertyText(root, 'quota-available-bytes')).toBe('10');
    expect(propertyText(root, 'quota-used-bytes')).toBe(String(usedBytes));
  } finally {
    stand.quotaBytes = null;
  }
});

test('a large refused body is read to its end or cut, and the answer arrives', async () => {
  const answer = await dav.send('PUT', '/none/f', {}, randomBytes(5_000_000));
  expect(answer.status).toBe(409);
});

test('a chunked body without a length is taken', async () => {
  const request =
    `PUT ${dav.path('/chunked')} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\n` +
    `Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`;
  expect(await dav.raw(request)).toMatch(/^HTTP\/1\.1 201 /);
  expect((await dav.send('GET', '/chunked')).text).toBe('abcde');
});

test('of many at once each unconditional PUT wins, of conditional ones exactly one', async () => {
  await dav.send('PUT', '/race', {}, 'start');
  const all = await Promise.all(Array.from({ length: 5 }, (_, n) => dav.send('PUT', '/race', {}, `writer ${n}`)));
  expect(all.map(({ status }) => status)).toEqual([204, 204, 204, 204, 204]);
  const etag = String((await dav.send('HEAD', '/race')).headers.etag);
  const some = await Promise.all(
    Array.from({ length: 5 }, (_, n) => dav.send('PUT', '/race', { 'if-match': etag }, `winner ${n}`)),
  );
  expect(some.map(({ status }) => status).sort()).toEqual([204, 412, 412, 412, 412]);
  const winner = some.findIndex(({ status }) => status === 204);
  expect((await dav.send('GET', '/race')).text).toBe(`winner ${winner}`);
});

test('of many at once exactly one makes a new file under If-None-Match: *', async () => {
  const all = await Promise.all(
    Array.from({ length: 5 }, (_, n) => dav.send('PUT', '/first', { 'if-none-match': '*' }, `${n}`)),
  );
  expect(all.map(({ status }) => status).sort()).toEqual([201, 412, 412, 412, 412]);
});
