import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DavClient, parseMultistatus, propertyText } from './support/dav-client.ts';
import { Stand } from './support/stand.ts';
import { commit, create, createOperation } from './support/tree-builder.ts';

let stand: Stand;
let dav: DavClient;

beforeAll(async () => {
  stand = await Stand.open({ listPage: 100 });
  dav = new DavClient(stand, await stand.addUser('ada'));
  await dav.send('MKCOL', '/d');
  await dav.send('PUT', '/d/report.pdf', { 'x-oc-mtime': '1000000000' }, '12345');
});

afterAll(() => stand.close());

const updates = (inner: string) => `<D:propertyupdate xmlns:D="DAV:" xmlns:u="urn:u">${inner}</D:propertyupdate>`;
const asks = (inner: string) => `<D:propfind xmlns:D="DAV:" xmlns:u="urn:u">${inner}</D:propfind>`;

async function proppatch(path: string, inner: string): Promise<ReadonlyMap<string, number>> {
  const answer = await dav.send('PROPPATCH', path, {}, updates(inner));
  expect(answer.status, answer.text).toBe(207);
  return parseMultistatus(answer.text)[0]?.statuses ?? new Map();
}

describe('PROPFIND', () => {
  test('without a body tells all common properties of a file', async () => {
    const [file, ...more] = await dav.propfind('/d/report.pdf', '0');
    expect(more).toEqual([]);
    expect(file?.href).toBe(dav.path('/d/report.pdf'));
    expect(propertyText(file, 'getcontentlength')).toBe('5');
    expect(propertyText(file, 'getcontenttype')).toBe('application/pdf');
    expect(propertyText(file, 'getlastmodified')).toBe('Sun, 09 Sep 2001 01:46:40 GMT');
    expect(propertyText(file, 'getetag')).toMatch(/^"[0-9a-f]{32}-\d+"$/);
    expect(propertyText(file, 'displayname')).toBe('report.pdf');
    expect(Math.abs(Date.parse(propertyText(file, 'creationdate') ?? '') - Date.now())).toBeLessThan(60_000);
    expect(file?.found.get('resourcetype')?.children).toEqual([]);
    expect(file?.found.get('supportedlock')?.children).toHaveLength(2);
    expect(file?.found.has('quota-used-bytes')).toBe(false);
  });

  test('of depth 1 lists a collection and its members', async () => {
    const resources = await dav.propfind('/d', '1');
    expect(resources.map(({ href }) => href)).toEqual([dav.path('/d/'), dav.path('/d/report.pdf')]);
    expect(resources[0]?.found.get('resourcetype')?.children).toMatchObject([{ local: 'collection' }]);
    expect(resources[0]?.found.has('getetag')).toBe(false);
  });

  test('tells what it has and what it has not of the properties asked for', async () => {
    const [file] = await dav.propfind('/d/report.pdf', '0', asks('<D:prop><D:getetag/><D:nope/><u:x/></D:prop>'));
    expect(Object.fromEntries(file?.statuses ?? [])).toEqual({ getetag: 200, nope: 404, x: 404 });
  });

  test('tells names only, and includes what else is asked for', async () => {
    const [named] = await dav.propfind('/d', '0', asks('<D:propname/>'));
    expect([...(named?.found.keys() ?? [])]).toContain('displayname');
    expect(propertyText(named, 'displayname')).toBe('');
    const include = '<D:allprop/><D:include><D:quota-used-bytes/><D:getetag/></D:include>';
    const [all] = await dav.propfind('/d', '0', asks(include));
    expect(propertyText(all, 'quota-used-bytes')).toMatch(/^\d+$/);
    expect(all?.statuses.get('getetag')).toBe(404);
  });

  test('of infinite depth is refused for a collection with the reason', async () => {
    for (const headers of [{ depth: 'infinity' }, {}]) {
      const answer = await dav.send('PROPFIND', '/d', headers);
      expect(answer.status).toBe(403);
      expect(answer.text).toContain('<D:propfind-finite-depth>');
    }
    expect((await dav.send('PROPFIND', '/d/report.pdf')).status).toBe(207);
    expect((await dav.send('PROPFIND', '/d', { depth: '2' })).status).toBe(400);
  });

  test('is refused for a body that asks for nothing known', async () => {
    for (const body of ['<x/>', asks(''), asks('<D:prop/><D:allprop/>')]) {
      expect((await dav.send('PROPFIND', '/d', { depth: '0' }, body)).status).toBe(400);
    }
    const many = Array.from({ length: 201 }, (_, n) => `<u:p${n}/>`).join('');
    expect((await dav.send('PROPFIND', '/d', { depth: '0' }, asks(`<D:prop>${many}</D:prop>`))).status).toBe(413);
  });

  test('lists names that XML cannot carry', async () => {
    await dav.send('MKCOL', '/odd');
    for (const name of ['%01%1F', 'a%26%3C%3E%22b', '%EF%BF%BE', '%F0%9D%84%9E', "it's"]) {
      expect((await dav.send('PUT', `/odd/${name}`, {}, name)).status).toBe(201);
    }
    const [, ...members] = await dav.propfind('/odd', '1');
    expect(members).toHaveLength(5);
    for (const { href } of members) expect((await dav.send('GET', href)).status).toBe(200);
    expect(members.map((member) => propertyText(member, 'displayname')).sort()).toEqual(
      ['\ufffd\ufffd', 'a&<>"b', '\ufffd', '𝄞', "it's"].sort(),
    );
  });

  test('lists 5,000 entries, page by page', { timeout: 60_000 }, async () => {
    const directory = createOperation(dav.user, 'many', 'directory');
    const files = Array.from({ length: 5_000 }, (_, n) =>
      createOperation(dav.user, `file-${n}`, 'file', { parent: directory.inode }),
    );
    await commit(dav.user, [directory, ...files]);
    expect(await dav.propfind('/many', '1')).toHaveLength(5_001);
    const head = `PROPFIND ${dav.path('/many')} HTTP/1.1\r\nHost: x\r\nAuthorization: ${dav.authorization}\r\nDepth: 1\r\n\r\n`;
    expect(await dav.raw(head)).toMatch(/207 Multi-Status[^]*chunked/);
    expect((await dav.propfind('/many', '0')).length).toBe(1);
    expect(stand.failures).toEqual([]);
  });
});

describe('PROPPATCH', () => {
  test('sets, changes and removes properties that the server does not know', async () => {
    const value = '<D:set><D:prop><u:p xml:lang="de">a <b xmlns="urn:b" c="1">ü</b></u:p><u:q/></D:prop></D:set>';
    expect(Object.fromEntries(await proppatch('/d/report.pdf', value))).toEqual({ p: 200, q: 200 });
    const ask = asks('<D:prop><u:p/><u:q/></D:prop>');
    const [file] = await dav.propfind('/d/report.pdf', '0', ask);
    expect(file?.found.get('p')).toEqual({
      namespace: 'urn:u',
      local: 'p',
      attributes: [{ namespace: 'http://www.w3.org/XML/1998/namespace', local: 'lang', value: 'de' }],
      children: [
        'a ',
        {
          namespace: 'urn:b',
          local: 'b',
          attributes: [{ namespace: '', local: 'c', value: '1' }],
          children: ['ü'],
        },
      ],
    });
    await proppatch('/d/report.pdf', '<D:remove><D:prop><u:p/></D:prop></D:remove>');
    const [after] = await dav.propfind('/d/report.pdf', '0', ask);
    expect(Object.fromEntries(after?.statuses ?? [])).toEqual({ q: 200, p: 404 });
    const state = await dav.user.metadata.resolve(dav.user.namespace, ['d', 'report.pdf']);
    expect([...state.xattrs.keys()]).toEqual(['user.dav.{urn:u}q']);
  });

  test('does all or nothing', async () => {
    const before = await dav.cursor();
    const both = '<D:set><D:prop><u:z>1</u:z><D:getetag>x</D:getetag></D:prop></D:set>';
    expect(Object.fromEntries(await proppatch('/d', both))).toEqual({ z: 424, getetag: 403 });
    expect(await dav.cursor()).toBe(before);
  });

  test.each([
    ['<D:getlastmodified>Sun, 09 Sep 2001 01:46:41 GMT</D:getlastmodified>', 'getlastmodified'],
    ['<D:lastmodified>1000000001</D:lastmodified>', 'lastmodified'],
    [
      '<w:Win32LastModifiedTime xmlns:w="urn:schemas-microsoft-com:">Sun, 09 Sep 2001 01:46:41 GMT</w:Win32LastModifiedTime>',
      'Win32LastModifiedTime',
    ],
  ])('%s sets the time of a file', async (element, name) => {
    await dav.send('PUT', '/timed', {}, 'x');
    expect((await proppatch('/timed', `<D:set><D:prop>${element}</D:prop></D:set>`)).get(name)).toBe(200);
    expect((await dav.send('HEAD', '/timed')).headers['last-modified']).toBe('Sun, 09 Sep 2001 01:46:41 GMT');
  });

  test('refuses what cannot be kept', async () => {
    const before = await dav.cursor();
    const long = `<u:${'n'.repeat(300)}/>`;
    expect([...(await proppatch('/d', `<D:set><D:prop>${long}</D:prop></D:set>`)).values()]).toEqual([507]);
    const large = `<u:p>${'v'.repeat(70_000)}</u:p>`;
    expect([...(await proppatch('/d', `<D:set><D:prop>${large}</D:prop></D:set>`)).values()]).toEqual([507]);
    const time = '<D:getlastmodified>soon</D:getlastmodified>';
    expect([...(await proppatch('/d', `<D:set><D:prop>${time}</D:prop></D:set>`)).values()]).toEqual([409]);
    for (const body of [undefined, '<x/>', updates(''), 'no xml']) {
      expect((await dav.send('PROPPATCH', '/d', {}, body)).status).toBe(400);
    }
    expect((await dav.send('PROPPATCH', '/none', {}, updates('<D:set><D:prop><u:a/></D:prop></D:set>'))).status).toBe(
      404,
    );
    expect(await dav.cursor()).toBe(before);
  });

  test('what a mount wrote into the attributes cannot break a listing', async () => {
    const xattrs = new Map([
      ['user.dav.{urn:u}bad', Buffer.from('</D:prop>')],
      ['user.dav.{urn:u}other', Buffer.from('<x/>')],
      ['user.dav.', Buffer.from('x')],
      ['user.other', Buffer.from('x')],
    ]);
    await create(dav.user, 'attributed', 'file', { xattrs });
    const [file] = await dav.propfind('/attributed', '0', asks('<D:allprop/><D:include><u:bad/></D:include>'));
    expect(file?.statuses.get('bad')).toBe(404);
    expect(file?.found.has('other')).toBe(false);
  });
});

test('OPTIONS tells the classes and methods', async () => {
  const { status, headers } = await dav.send('OPTIONS', '/');
  expect(status).toBe(200);
  expect(headers['dav']).toBe('1, 2, 3');
  expect(headers['ms-author-via']).toBe('DAV');
  expect(headers['allow']).toContain('PROPPATCH');
  expect((await dav.send('REPORT', '/', {}, '<x/>')).status).toBe(405);
});
