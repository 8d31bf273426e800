import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DavClient } from './support/dav-client.ts';
import type { DavAnswer } from './support/dav-client.ts';
import { Stand } from './support/stand.ts';

let stand: Stand;
let ada: DavClient;
let bob: DavClient;
let count = 0;
let root: string;

beforeAll(async () => {
  stand = await Stand.open();
  ada = new DavClient(stand, await stand.addUser('ada'));
  bob = new DavClient(stand, await stand.addUser('bob'));
  await stand.store.accounts.grant(ada.user.caller, ada.user.namespace, 'bob', 'write');
});

afterAll(() => stand.close());

beforeEach(async () => {
  root = `/t${count++}`;
  await ada.send('MKCOL', root);
  await ada.send('MKCOL', `${root}/c`);
  await ada.send('PUT', `${root}/f`, {}, 'f');
  await ada.send('PUT', `${root}/c/g`, {}, 'g');
});

function lockInfo(scope: 'exclusive' | 'shared', owner = '<D:href>mailto:ada@example.org</D:href>'): string {
  return (
    `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:${scope}/></D:lockscope><D:locktype><D:write/></D:locktype>` +
    `<D:owner>${owner}</D:owner></D:lockinfo>`
  );
}

async function lock(
  path: string,
  headers: Record<string, string> = {},
  scope: 'exclusive' | 'shared' = 'exclusive',
  client = ada,
): Promise<DavAnswer> {
  return client.send('LOCK', ada.path(path), headers, lockInfo(scope));
}

async function lockToken(...of: Parameters<typeof lock>): Promise<string> {
  const answer = await lock(...of);
  expect(answer.status, answer.text).toBe(200);
  return String(answer.headers['lock-token']).slice(1, -1);
}

async function put(path: string, headers: Record<string, string> = {}, client = ada): Promise<number> {
  return (await client.send('PUT', ada.path(path), headers, 'new')).status;
}

describe('an exclusive lock', () => {
  test('keeps out who does not show its token, its owner too', async () => {
    const token = await lockToken(`${root}/f`);
    expect(await put(`${root}/f`)).toBe(423);
    expect(await put(`${root}/f`, {}, bob)).toBe(423);
    expect(await put(`${root}/f`, { if: `(<${token}>)` })).toBe(204);
  });

  test('is of no use to another user who knows its token', async () => {
    const token = await lockToken(`${root}/f`);
    expect(await put(`${root}/f`, { if: `(<${token}>)` }, bob)).toBe(423);
    const unlock = await bob.send('UNLOCK', ada.path(`${root}/f`), { 'lock-token': `<${token}>` });
    expect(unlock.status).toBe(403);
  });

  test('stops every way to change what it covers', async () => {
    await lockToken(`${root}/c`);
    const before = await ada.cursor();
    const update =
      '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="u:"/></D:prop></D:set></D:propertyupdate>';
    const tries: [string, string, Record<string, string>, string?][] = [
      ['PUT', `${root}/c/g`, {}, 'x'],
      ['PUT', `${root}/c/new`, {}, 'x'],
      ['MKCOL', `${root}/c/new`, {}],
      ['DELETE', `${root}/c/g`, {}],
      ['DELETE', `${root}/c`, {}],
      ['DELETE', root, {}],
      ['PROPPATCH', `${root}/c/g`, {}, update],
      ['MOVE', `${root}/c`, { destination: ada.path(`${root}/m`) }],
      ['MOVE', `${root}/f`, { destination: ada.path(`${root}/c/f`) }],
      ['MOVE', `${root}/f`, { destination: ada.path(`${root}/c`) }],
      ['COPY', `${root}/f`, { destination: ada.path(`${root}/c/f`) }],
      ['COPY', `${root}/f`, { destination: ada.path(`${root}/c`) }],
    ];
    for (const [method, path, headers, body] of tries) {
      const answer = await ada.send(method, path, headers, body);
      expect([method, path, answer.status]).toEqual([method, path, 423]);
      expect(answer.text).toContain(`<D:lock-token-submitted><D:href>${ada.path(`${root}/c/`)}</D:href>`);
    }
    expect(await ada.cursor()).toBe(before);
    expect((await ada.send('COPY', `${root}/c`, { destination: ada.path(`${root}/copy`) })).status).toBe(201);
  });

  test('of depth 0 on a collection guards its members list, not their content', async () => {
    await lockToken(`${root}/c`, { depth: '0' });
    expect(await put(`${root}/c/g`)).toBe(204);
    expect(await put(`${root}/c/new`)).toBe(423);
    expect((await ada.send('DELETE', `${root}/c/g`)).status).toBe(423);
  });

  test('meets no other lock', async () => {
    await lockToken(`${root}/c/g`);
    for (const [path, scope] of [
      [`${root}/c/g`, 'exclusive'],
      [`${root}/c/g`, 'shared'],
      [`${root}/c`, 'exclusive'],
      [root, 'shared'],
    ] as const) {
      const answer = await lock(path, {}, scope, bob);
      expect(answer.status).toBe(423);
      expect(answer.text).toContain(`<D:no-conflicting-lock><D:href>${ada.path(`${root}/c/g`)}`);
    }
    expect((await lock(`${root}/c`, { depth: '0' }, 'exclusive', bob)).status).toBe(200);
  });
});

test('shared locks stand side by side, and one token is enough', async () => {
  const one = await lockToken(`${root}/f`, {}, 'shared');
  const other = await lockToken(`${root}/f`, {}, 'shared', bob);
  expect(await put(`${root}/f`)).toBe(423);
  expect(await put(`${root}/f`, { if: `(<${one}>)` })).toBe(204);
  expect(await put(`${root}/f`, { if: `(<${other}>)` }, bob)).toBe(204);
  expect((await lock(`${root}/f`)).status).toBe(423);
});

test('a lock on a free name makes an empty file, and none without a parent', async () => {
  const answer = await lock(`${root}/new`);
  expect(answer.status).toBe(201);
  expect((await ada.send('GET', `${root}/new`)).headers['content-length']).toBe('0');
  expect((await lock(`${root}/none/new`)).status).toBe(409);
  expect((await lock(`${root}/none/`)).status).toBe(409);
});

test('is refreshed by its token, also through what it covers, and bounded in time', async () => {
  const answer = await lock(`${root}/c`, { timeout: 'Second-10' });
  expect(answer.text).toMatch(/<D:timeout>Second-(9|10)<\/D:timeout>/);
  const token = String(answer.headers['lock-token']).slice(1, -1);
  const refreshed = await ada.send('LOCK', `${root}/c/g`, { if: `(<${token}>)`, timeout: 'Infinite, Second-5' });
  expect(refreshed.status).toBe(200);
  expect(refreshed.text).toMatch(/<D:timeout>Second-(86399|86400)<\/D:timeout>/);
  expect((await ada.send('LOCK', `${root}/f`, { if: `(<${token}>)` })).status).toBe(412);
  expect((await ada.send('LOCK', `${root}/c`)).status).toBe(400);
});

test('is told by lockdiscovery with what its owner said', async () => {
  const token = await lockToken(`${root}/c`, { timeout: 'Second-100' });
  const [collection, member] = await ada.propfind(`${root}/c`, '1');
  for (const resource of [collection, member]) {
    const found = JSON.stringify(resource?.found.get('lockdiscovery'));
    expect(found).toContain(token);
    expect(found).toContain('mailto:ada@example.org');
    expect(found).toContain(ada.path(`${root}/c/`));
  }
  const [outside] = await ada.propfind(`${root}/f`, '0');
  expect(outside?.found.get('lockdiscovery')?.children).toEqual([]);
});

test('UNLOCK ends it, and wants the right token at the right place', async () => {
  const token = await lockToken(`${root}/c`);
  const unlock = async (path: string, header: Record<string, string>) =>
    (await ada.send('UNLOCK', path, header)).status;
  expect(await unlock(`${root}/c`, {})).toBe(400);
  expect(await unlock(`${root}/c`, { 'lock-token': 'x' })).toBe(400);
  expect(await unlock(`${root}/c`, { 'lock-token': '<urn:x>' })).toBe(409);
  expect(await unlock(`${root}/f`, { 'lock-token': `<${token}>` })).toBe(409);
  expect(await unlock(`${root}/c/g`, { 'lock-token': `<${token}>` })).toBe(204);
  expect(await put(`${root}/c/g`)).toBe(204);
});

test('ends with a delete and stays behind in a move', async () => {
  const one = await lockToken(`${root}/f`);
  expect((await ada.send('DELETE', `${root}/f`, { if: `(<${one}>)` })).status).toBe(204);
  expect(await put(`${root}/f`)).toBe(201);
  const two = await lockToken(`${root}/f`);
  const headers = { destination: ada.path(`${root}/moved`), if: `(<${two}>)` };
  expect((await ada.send('MOVE', `${root}/f`, headers)).status).toBe(201);
  expect(await put(`${root}/moved`)).toBe(204);
  expect(await put(`${root}/f`)).toBe(201);
});

describe('the If header', () => {
  test('is a choice of lists, each of which must hold whole', async () => {
    const token = await lockToken(`${root}/f`);
    const etag = String((await ada.send('HEAD', `${root}/f`)).headers.etag);
    const holds = (header: string) => put(`${root}/f`, { if: header });
    expect(await holds(`(<${token}> ["other"])`)).toBe(412);
    expect(await holds(`(<${token}> [W/${etag}])`)).toBe(412);
    expect(await holds(`(<urn:x>) (Not <${token}>)`)).toBe(412);
    expect(await holds(`(["other"]) (<${token}> [${etag}])`)).toBe(204);
    expect(await holds(`(<${token}>) (Not <DAV:no-lock>)`)).toBe(204);
    expect(await holds(`(Not <DAV:no-lock>)`)).toBe(423);
  });

  test('with tags speaks of other resources', async () => {
    const token = await lockToken(`${root}/c`);
    const url = ada.url(`${root}/c`);
    const path = `${root}/c/g`;
    expect(await put(path, { if: `<${url}> (<${token}>)` })).toBe(204);
    expect(await put(path, { if: `<${ada.path(`${root}/c`)}> (<${token}>)` })).toBe(204);
    expect(await put(path, { if: `<${ada.url(`${root}/f`)}> (<${token}>)` })).toBe(412);
    expect(await put(path, { if: `<http://example.org/x> (<${token}>)` })).toBe(412);
    expect(await put(path, { if: `<http://example.org/x> (Not <urn:x>) <${url}> (<${token}>)` })).toBe(204);
  });

  test.each(['(', '()', '(<>)', 'x', '(<a>) <b> (<c>)', '<%zz> (<a>)', '</dav/%zz> (<a>)'])(
    '"%s" gets a clear answer and changes nothing',
    async (header) => {
      const before = await ada.cursor();
      expect([400, 412]).toContain(await put(`${root}/f`, { if: header }));
      expect(await ada.cursor()).toBe(before);
    },
  );
});

test.each([
  ['no lockinfo', '<x/>', 400],
  ['no scope', '<D:lockinfo xmlns:D="DAV:"><D:locktype><D:write/></D:locktype></D:lockinfo>', 400],
  [
    'an unknown scope',
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope/><D:locktype><D:write/></D:locktype></D:lockinfo>',
    422,
  ],
  ['an endless owner', lockInfo('shared', 'x'.repeat(5_000)), 413],
])('a LOCK with %s is refused', async (_, body, status) => {
  expect((await ada.send('LOCK', `${root}/f`, {}, body)).status).toBe(status);
  expect(await put(`${root}/f`)).toBe(204);
});
