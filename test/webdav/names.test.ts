import { afterAll, beforeAll, expect, test } from 'vitest';
import { DavClient } from './support/dav-client.ts';
import { Stand } from './support/stand.ts';

let stand: Stand;
let dav: DavClient;

beforeAll(async () => {
  stand = await Stand.open();
  dav = new DavClient(stand, await stand.addUser('ada'));
});

afterAll(() => stand.close());

test('names are kept as written: case and Unicode forms tell files apart', async () => {
  const names = ['readme', 'README', 'caf\u00e9', 'cafe\u0301', ' a b ', 'a.', 'CON', '100%25', 'a\\b:c*?"<>|'];
  for (const name of names) {
    expect([name, (await dav.send('PUT', `/${encodeURIComponent(name)}`, {}, name)).status]).toEqual([name, 201]);
  }
  for (const name of names) expect((await dav.send('GET', `/${encodeURIComponent(name)}`)).text).toBe(name);
  const [, ...members] = await dav.propfind('/', '1');
  const listed = members.map(({ href }) => decodeURIComponent(href.slice(dav.path('/').length)));
  expect(listed.sort()).toEqual(names.sort());
});
