import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { limits } from '../../protocol/limits.ts';
import { DavClient } from './support/dav-client.ts';
import { Stand } from './support/stand.ts';
import { commit, createOperation } from './support/tree-builder.ts';

let stand: Stand;
let dav: DavClient;
let count = 0;
/** A collection of its own for each test. */
let root: string;

beforeAll(async () => {
  stand = await Stand.open();
  dav = new DavClient(stand, await stand.addUser('ada'));
});

afterAll(() => stand.close());

beforeEach(async () => {
  root = `/t${count++}`;
  await status('MKCOL', root);
  await status('MKCOL', `${root}/a`);
  await status('MKCOL', `${root}/a/b`);
  await dav.send('PUT', `${root}/a/x`, {}, 'content of x');
  await dav.send('PUT', `${root}/a/b/y`, {}, 'content of y');
});

async function status(method: string, path: string, headers: Record<string, string> = {}): Promise<number> {
  return (await dav.send(method, path, headers)).status;
}

function to(path: string, headers: Record<string, string> = {}): Record<string, string> {
  return { destination: dav.path(path), ...headers };
}

async function names(path: string): Promise<string[]> {
  const [, ...members] = await dav.propfind(path, '1');
  return members.map(({ href }) => href.replace(dav.path(path), '')).sort();
}

describe('MKCOL', () => {
  test('makes a collection, once', async () => {
    expect(await status('MKCOL', `${root}/new/`)).toBe(201);
    expect(await status('MKCOL', `${root}/new`)).toBe(405);
    expect(await status('MKCOL', `${root}/a/x`)).toBe(405);
    expect(await status('MKCOL', `${root}/none/new`)).toBe(409);
    expect(await status('MKCOL', `${root}/a/x/new`)).toBe(409);
    expect(await status('MKCOL', '/')).toBe(405);
    expect(await status('MKCOL', '/dav/other')).toBe(404);
    expect(await status('MKCOL', '/dav/')).toBe(405);
  });

  test('takes no body', async () => {
    expect((await dav.send('MKCOL', `${root}/new`, {}, '<x/>')).status).toBe(415);
    expect(await status('GET', `${root}/new`)).toBe(404);
  });
});

describe('DELETE', () => {
  test('removes a tree in one commit', async () => {
    const before = await dav.cursor();
    expect(await status('DELETE', `${root}/a/`)).toBe(204);
    expect(await dav.cursor()).toBe(before + 1);
    expect(await status('GET', `${root}/a/x`)).toBe(404);
    expect(await status('DELETE', `${root}/a`)).toBe(404);
  });

  test('keeps a namespace, and a collection when asked for a part of it', async () => {
    expect(await status('DELETE', '/')).toBe(403);
    expect(await status('DELETE', '/dav/')).toBe(405);
    expect(await status('DELETE', `${root}/a`, { depth: '0' })).toBe(400);
    expect(await status('GET', `${root}/a/x`)).toBe(200);
  });
});

describe('COPY', () => {
  test('copies a tree in one commit and moves no block', async () => {
    stand.traffic.putBlocks = 0;
    stand.traffic.gotBlocks = 0;
    const before = await dav.cursor();
    expect(await status('COPY', `${root}/a`, to(`${root}/copy`))).toBe(201);
    expect(await dav.cursor()).toBe(before + 1);
    expect(stand.traffic).toMatchObject({ putBlocks: 0, gotBlocks: 0 });
    expect((await dav.send('GET', `${root}/copy/b/y`)).text).toBe('content of y');
    expect((await dav.send('GET', `${root}/a/b/y`)).text).toBe('content of y');
  });

  test('of Depth 0 copies a collection without its members', async () => {
    expect(await status('COPY', `${root}/a`, to(`${root}/copy`, { depth: '0' }))).toBe(201);
    expect(await names(`${root}/copy/`)).toEqual([]);
  });

  test('replaces what is there, unless told not to', async () => {
    await status('MKCOL', `${root}/copy`);
    await dav.send('PUT', `${root}/copy/old`, {}, 'old');
    expect(await status('COPY', `${root}/a`, to(`${root}/copy`, { overwrite: 'F' }))).toBe(412);
    expect(await names(`${root}/copy/`)).toEqual(['old']);
    expect(await status('COPY', `${root}/a`, to(`${root}/copy`))).toBe(204);
    expect(await names(`${root}/copy/`)).toEqual(['b/', 'x']);
  });

  test('keeps times and properties', async () => {
    await dav.send('PUT', `${root}/timed`, { 'x-oc-mtime': '1000000000' }, 'x');
    const update = '<propertyupdate xmlns="DAV:"><set><prop><c xmlns="u:">red</c></prop></set></propertyupdate>';
    await dav.send('PROPPATCH', `${root}/timed`, {}, update);
    await status('COPY', `${root}/timed`, to(`${root}/copy`));
    const [copied] = await dav.propfind(`${root}/copy`, '0', '<propfind xmlns="DAV:"><allprop/></propfind>');
    expect(copied?.found.get('c')?.children).toEqual(['red']);
    expect(copied?.found.get('getlastmodified')?.children).toEqual(['Sun, 09 Sep 2001 01:46:40 GMT']);
  });

  test('into itself, onto itself, or onto what holds it is refused', async () => {
    for (const method of ['COPY', 'MOVE']) {
      expect(await status(method, `${root}/a`, to(`${root}/a`))).toBe(403);
      expect(await status(method, `${root}/a`, to(`${root}/a/b/c`))).toBe(403);
      expect(await status(method, `${root}/a/b`, to(`${root}/a`))).toBe(403);
      expect(await status(method, `${root}/a`, to('/'))).toBe(403);
    }
    expect(await names(`${root}/a/`)).toEqual(['b/', 'x']);
  });
});

describe('MOVE', () => {
  test('moves a tree in one commit', async () => {
    const before = await dav.cursor();
    expect(await status('MOVE', `${root}/a`, to(`${root}/moved`))).toBe(201);
    expect(await dav.cursor()).toBe(before + 1);
    expect((await dav.send('GET', `${root}/moved/b/y`)).text).toBe('content of y');
    expect(await status('GET', `${root}/a`)).toBe(404);
  });

  test('keeps the version', async () => {
    const before = await dav.send('HEAD', `${root}/a/x`);
    await status('MOVE', `${root}/a/x`, to(`${root}/z`));
    expect((await dav.send('HEAD', `${root}/z`)).headers.etag).toBe(before.headers.etag);
  });

  test('replaces what is there, unless told not to', async () => {
    expect(await status('MOVE', `${root}/a/x`, to(`${root}/a/b/y`, { overwrite: 'F' }))).toBe(412);
    expect((await dav.send('GET', `${root}/a/b/y`)).text).toBe('content of y');
    expect(await status('MOVE', `${root}/a/x`, to(`${root}/a/b/y`, { overwrite: 'T' }))).toBe(204);
    expect((await dav.send('GET', `${root}/a/b/y`)).text).toBe('content of x');
  });

  test('onto a collection replaces it whole', async () => {
    expect(await status('MOVE', `${root}/a/x`, to(`${root}/a/b`))).toBe(204);
    expect((await dav.send('GET', `${root}/a/b`)).text).toBe('content of x');
  });
});

describe('the Destination', () => {
  test.each([
    ['absent', {}, 400],
    ['on another server', { destination: 'http://example.org/dav/ada/z' }, 502],
    ['of another scheme', { destination: 'ftp://127.0.0.1/dav/ada/z' }, 502],
    ['relative to a host', { destination: '//example.org/dav/ada/z' }, 502],
    ['outside of the tree', { destination: '/elsewhere' }, 409],
    ['in a namespace of nobody', { destination: '/dav/nobody/z' }, 409],
    ['malformed', { destination: '/dav/ada/%zz' }, 400],
    ['with dots', { destination: '/dav/ada/../bob/z' }, 400],
    ['without a parent', { destination: '/dav/ada/none/z' }, 409],
    ['with a strange Overwrite', { destination: '/dav/ada/z', overwrite: 'maybe' }, 400],
    ['with a Depth that is none', { destination: '/dav/ada/z', depth: '1' }, 400],
  ])('%s', async (_, headers: Record<string, string>, expected) => {
    const before = await dav.cursor();
    for (const method of ['COPY', 'MOVE']) expect(await status(method, `${root}/a`, headers)).toBe(expected);
    expect(await dav.cursor()).toBe(before);
  });

  test('may be a whole URL, with another scheme than a proxy shows', async () => {
    const host = `127.0.0.1:${stand.port}`;
    const destination = `https://${host}${dav.path(`${root}/far%20away`)}`;
    expect(await status('MOVE', `${root}/a`, { destination })).toBe(201);
    expect((await dav.send('GET', `${root}/far%20away/x`)).status).toBe(200);
  });
});

test('a tree too large for one commit is copied whole, or not at all', { timeout: 120_000 }, async () => {
  const directory = createOperation(dav.user, 'large', 'directory');
  const files = Array.from({ length: limits.commitOperationsMax - 1 }, (_, n) =>
    createOperation(dav.user, `f${n}`, 'file', { parent: directory.inode }),
  );
  await commit(dav.user, [directory, ...files]);
  await commit(dav.user, [createOperation(dav.user, 'one more', 'file', { parent: directory.inode })]);
  const target = await dav.send('COPY', '/large', to('/large-copy'));
  expect(target.status, target.text).toBe(201);
  expect(await names('/large-copy/')).toHaveLength(limits.commitOperationsMax);
  expect((await names('/')).filter((name) => name.startsWith('.copying'))).toEqual([]);
});

describe('between namespaces', () => {
  let bob: DavClient;

  beforeAll(async () => {
    bob = new DavClient(stand, await stand.addUser('bob'));
    await stand.store.accounts.grant(dav.user.caller, dav.user.namespace, 'bob', 'read');
  });

  test('COPY shows the blocks to the other namespace and stores none twice', async () => {
    const bytes = randomBytes(600_000);
    await dav.send('PUT', `${root}/a/bytes`, {}, bytes);
    const answer = await bob.send('COPY', dav.path(`${root}/a`), { destination: bob.path(`${root}copy`) });
    expect(answer.status, answer.text).toBe(201);
    expect((await bob.send('GET', `${root}copy/bytes`)).body.equals(bytes)).toBe(true);
    expect((await bob.send('GET', `${root}copy/b/y`)).text).toBe('content of y');
  });

  test('who may only read cannot write', async () => {
    const before = await dav.cursor();
    const headers = { destination: bob.path(`${root}moved`) };
    expect((await bob.send('PUT', dav.path(`${root}/new`), {}, 'x')).status).toBe(403);
    expect((await bob.send('DELETE', dav.path(`${root}/a`))).status).toBe(403);
    expect((await bob.send('MKCOL', dav.path(`${root}/c`))).status).toBe(403);
    expect((await bob.send('MOVE', dav.path(`${root}/a`), headers)).status).toBe(403);
    expect((await bob.send('GET', `${root}moved`)).status).toBe(404);
    expect(await dav.cursor()).toBe(before);
  });

  test('MOVE copies, then removes', async () => {
    await stand.store.accounts.grant(dav.user.caller, dav.user.namespace, 'bob', 'write');
    const headers = { destination: bob.path(`${root}moved`) };
    expect((await bob.send('MOVE', dav.path(`${root}/a`), headers)).status).toBe(201);
    expect((await bob.send('GET', `${root}moved/b/y`)).text).toBe('content of y');
    expect(await status('GET', `${root}/a`)).toBe(404);
  });

  test('each sees his own first and what is shared with him', async () => {
    const hrefs = (await bob.propfind('/dav/', '1')).map(({ href }) => href);
    expect(hrefs).toEqual(['/dav/', '/dav/bob/', '/dav/ada/']);
    expect((await dav.propfind('/dav/', '1')).map(({ href }) => href)).toEqual(['/dav/', '/dav/ada/']);
  });
});
