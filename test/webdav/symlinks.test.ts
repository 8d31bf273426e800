import { afterAll, beforeAll, expect, test } from 'vitest';
import { rootInodeOf } from '../../protocol/ids.ts';
import type { InodeId } from '../../protocol/ids.ts';
import { DavClient } from './support/dav-client.ts';
import { Stand } from './support/stand.ts';
import { create } from './support/tree-builder.ts';

let stand: Stand;
let dav: DavClient;
let directory: InodeId;

beforeAll(async () => {
  stand = await Stand.open();
  dav = new DavClient(stand, await stand.addUser('ada'));
  directory = await create(dav.user, 'd', 'directory');
  const link = (name: string, target: string, parent: InodeId = rootInodeOf(dav.user.namespace)) =>
    create(dav.user, name, 'symlink', { parent, target });
  await dav.send('PUT', '/file', {}, 'the file');
  await dav.send('PUT', '/d/inner', {}, 'inner');
  await link('to-file', 'file');
  await link('to-directory', './d/');
  await link('to-link', 'to-file');
  await link('up-and-down', '../d/inner', directory);
  await link('to-parent', '..', directory);
  await link('to-self', '.', directory);
  await link('dangling', 'nothing');
  await link('absolute', '/etc/passwd');
  await link('outside', '../../etc/passwd');
  await link('loop', 'loop');
  await link('through-file', 'file/x');
  await create(dav.user, 'fifo', 'fifo');
});

afterAll(() => stand.close());

async function names(path: string): Promise<string[]> {
  const [own, ...members] = await dav.propfind(path, '1');
  return members.map(({ href }) => href.slice(own?.href.length));
}

test('a listing shows what links lead to, and hides what leads nowhere, out or round', async () => {
  expect(await names('/')).toEqual(['d/', 'file', 'to-directory/', 'to-file', 'to-link']);
  expect(await names('/d')).toEqual(['inner', 'up-and-down']);
  expect(await names('/to-directory')).toEqual(['inner', 'up-and-down']);
});

test('a link reads as what it leads to', async () => {
  for (const path of ['/to-file', '/to-link']) expect((await dav.send('GET', path)).text).toBe('the file');
  for (const path of ['/to-directory/inner', '/d/up-and-down', '/to-directory/up-and-down']) {
    expect((await dav.send('GET', path)).text).toBe('inner');
  }
});

test.each([
  '/dangling',
  '/absolute',
  '/outside',
  '/loop',
  '/through-file',
  '/fifo',
  '/d/to-parent/file',
  '/d/to-self/inner',
])('%s is not there', async (path) => {
  expect((await dav.send('GET', path)).status).toBe(404);
  expect((await dav.send('DELETE', path)).status).toBe(404);
});

test('a hidden name is taken all the same', async () => {
  const before = await dav.cursor();
  expect((await dav.send('PUT', '/dangling', {}, 'x')).status).toBe(409);
  expect((await dav.send('MKCOL', '/fifo')).status).toBe(405);
  expect(await dav.cursor()).toBe(before);
});

test('writing through a link writes what it leads to', async () => {
  expect((await dav.send('PUT', '/to-directory/new', {}, 'new')).status).toBe(201);
  expect((await dav.send('GET', '/d/new')).text).toBe('new');
  expect((await dav.send('PUT', '/to-link', {}, 'changed')).status).toBe(204);
  expect((await dav.send('GET', '/file')).text).toBe('changed');
});

test('a copy holds what the links lead to', async () => {
  expect((await dav.send('COPY', '/to-directory', { destination: dav.path('/copy') })).status).toBe(201);
  const state = await dav.user.metadata.resolve(dav.user.namespace, ['copy', 'up-and-down']);
  expect(state.kind).toBe('file');
});

test('a move and a delete take the link itself', async () => {
  expect((await dav.send('MOVE', '/to-file', { destination: dav.path('/moved') })).status).toBe(201);
  expect((await dav.user.metadata.resolve(dav.user.namespace, ['moved'])).target).toBe('file');
  expect((await dav.send('DELETE', '/moved')).status).toBe(204);
  expect((await dav.send('GET', '/file')).status).toBe(200);
});

test('a move to another namespace keeps links and special files as they are', async () => {
  const bob = new DavClient(stand, await stand.addUser('bob'));
  await stand.store.accounts.grant(bob.user.caller, bob.user.namespace, 'ada', 'write');
  await create(dav.user, 'pipe', 'fifo', { parent: directory });
  expect((await dav.send('MOVE', '/d', { destination: bob.path('/d') })).status).toBe(201);
  const kindOf = async (name: string) => (await bob.user.metadata.resolve(bob.user.namespace, ['d', name])).kind;
  expect([await kindOf('up-and-down'), await kindOf('pipe'), await kindOf('inner')]).toEqual([
    'symlink',
    'fifo',
    'file',
  ]);
});
