import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { seededPieces } from './seeded-stream.ts';
import type { Texture } from './seeded-stream.ts';

/** A WebDAV server: ours or a peer. */
export interface WebdavServer {
  readonly webdavUrl: string;
  readonly webdavAuthorization: string;
}

/** Uploads a file in one request. */
export async function webdavPut(
  server: WebdavServer,
  name: string,
  seed: number,
  byteLength: number,
  texture: Texture,
): Promise<void> {
  const put = request(`${server.webdavUrl}/${name}`, {
    method: 'PUT',
    headers: { authorization: server.webdavAuthorization, 'content-length': byteLength },
  });
  const answered = once(put, 'response') as Promise<[IncomingMessage]>;
  await pipeline(Readable.from(seededPieces(seed, byteLength, texture), { objectMode: false }), put);
  const [response] = await answered;
  response.resume();
  if (response.statusCode !== 201) throw new Error(`PUT was answered ${response.statusCode}`);
}

/** Downloads that file and checks that it is the one that was sent. */
export async function webdavGet(
  server: WebdavServer,
  name: string,
  seed: number,
  byteLength: number,
  texture: Texture,
): Promise<void> {
  const get = request(`${server.webdavUrl}/${name}`, { headers: { authorization: server.webdavAuthorization } });
  get.end();
  const [response] = (await once(get, 'response')) as [IncomingMessage];
  const wanted = createHash('sha256');
  for (const piece of seededPieces(seed, byteLength, texture)) wanted.update(piece);
  const came = createHash('sha256');
  for await (const piece of response) came.update(piece as Uint8Array);
  if (came.digest('hex') !== wanted.digest('hex')) throw new Error('what came is not what was sent');
}
