import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BlockFrame } from '../../../protocol/block-service.ts';
import type { Version } from '../../../protocol/ids.ts';
import { rootInodeOf } from '../../../protocol/ids.ts';
import { encodeBlockFrames } from '../../../protocol/wire/block-frames.ts';
import { endpointPath, streamEndpoints } from '../../../protocol/wire/endpoints.ts';
import { framesContentType } from '../../../protocol/wire/wire-version.ts';
import { startTestServer } from '../../gateway/test-server.ts';
import type { TestServer, TestUser } from '../../gateway/test-server.ts';
import { collectAll, commitOf, manifestOf, newFile, randomBlock, stream } from '../../gateway/tree-values.ts';

describe('a hash is not a capability', () => {
  let server: TestServer;
  let ada: TestUser;
  let eve: TestUser;

  beforeAll(async () => {
    server = await startTestServer();
    ada = await server.addUser('ada');
    eve = await server.addUser('eve');
  });

  afterAll(() => server.close());

  async function secretFile() {
    const block = randomBlock(5000);
    await ada.drive.put(ada.namespace, stream([block.frame]));
    const file = newFile(ada.namespace, `secret ${block.hash}`, { manifest: manifestOf(block) });
    const { cursor } = await ada.drive.commit(ada.namespace, commitOf(file));
    return { block, file, version: cursor as number as Version };
  }

  test('one who knows it has nothing', async () => {
    const { block, file, version } = await secretFile();
    expect(await ada.drive.have(ada.namespace, [block.hash])).toEqual(new Set([block.hash]));
    expect(await eve.drive.have(eve.namespace, [block.hash])).toEqual(new Set());
    const theft = newFile(eve.namespace, 'theft', { manifest: manifestOf(block) });
    await expect(eve.drive.commit(eve.namespace, commitOf(theft))).rejects.toMatchObject({ code: 'forbidden' });
    await expect(eve.drive.lookup(eve.namespace, theft)).rejects.toMatchObject({ code: 'notFound' });
    const request = { inode: file.inode, version, hashes: [block.hash] };
    await expect(collectAll(eve.drive.get(ada.namespace, request))).rejects.toMatchObject({ code: 'notFound' });
    await expect(collectAll(eve.drive.get(eve.namespace, request))).rejects.toMatchObject({ code: 'notFound' });
    await expect(eve.drive.have(ada.namespace, [block.hash])).rejects.toMatchObject({ code: 'notFound' });
    await expect(eve.drive.put(ada.namespace, stream([block.frame]))).rejects.toMatchObject({ code: 'notFound' });
  });

  test('a block can be read only through a version that has it', async () => {
    const one = await secretFile();
    const other = await secretFile();
    const request = { inode: one.file.inode, version: one.version, hashes: [one.block.hash, other.block.hash] };
    await expect(collectAll(ada.drive.get(ada.namespace, request))).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('a reader who lost the role is refused what was read a moment before', async () => {
    const { block, file, version } = await secretFile();
    const request = { inode: file.inode, version, hashes: [block.hash] };
    await server.metadata.accounts.grant(ada.caller, ada.namespace, 'eve', 'read');
    expect(await collectAll(eve.drive.get(ada.namespace, request))).toHaveLength(1);
    await server.metadata.accounts.grant(ada.caller, ada.namespace, 'eve', null);
    await expect(collectAll(eve.drive.get(ada.namespace, request))).rejects.toMatchObject({ code: 'notFound' });
  });

  test('who has the bytes sends them, and nothing is stored twice', async () => {
    const { block } = await secretFile();
    expect(await eve.drive.put(eve.namespace, stream([block.frame]))).toEqual({
      receivedBlocks: 1,
      storedBlocks: 0,
      storedBytes: 0,
    });
    expect(await eve.drive.have(eve.namespace, [block.hash])).toEqual(new Set([block.hash]));
    const copy = newFile(eve.namespace, 'copy', { manifest: manifestOf(block) });
    expect(await eve.drive.commit(eve.namespace, commitOf(copy))).toMatchObject({ outcomes: [{ type: 'applied' }] });
  });

  test('a block that nobody stored cannot be named', async () => {
    const file = newFile(ada.namespace, 'unknown', { manifest: manifestOf(randomBlock()) });
    await expect(ada.drive.commit(ada.namespace, commitOf(file))).rejects.toMatchObject({ code: 'forbidden' });
    await expect(ada.drive.lookup(ada.namespace, file)).rejects.toMatchObject({ code: 'notFound' });
  });

  test('bytes that are not of their hash are corrupt, and the hash names nothing', async () => {
    const wanted = randomBlock(800);
    const forged: BlockFrame = { ...randomBlock(800).frame, hash: wanted.hash };
    await expect(ada.drive.put(ada.namespace, stream([forged]))).rejects.toMatchObject({ code: 'corrupt' });
    expect(await ada.drive.have(ada.namespace, [wanted.hash])).toEqual(new Set());
  });

  test('a role that only reads can read and nothing else', async () => {
    const { block, file, version } = await secretFile();
    const { namespace } = ada;
    const bob = await server.addUser('bob');
    await server.metadata.accounts.grant(ada.caller, namespace, 'bob', 'read');
    const request = { inode: file.inode, version, hashes: [block.hash] };
    expect(await collectAll(bob.drive.get(namespace, request))).toHaveLength(1);
    expect(await bob.drive.lookup(namespace, file)).toMatchObject({ inode: file.inode });
    const create = commitOf(newFile(namespace, 'by bob'));
    await expect(bob.drive.commit(namespace, create)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(bob.drive.have(namespace, [block.hash])).rejects.toMatchObject({ code: 'forbidden' });
    let pulled = 0;
    async function* frames() {
      pulled += 1;
      yield block.frame;
    }
    await expect(bob.drive.put(namespace, frames())).rejects.toMatchObject({ code: 'forbidden' });
    expect(pulled).toBe(1);
    await server.metadata.accounts.grant(ada.caller, namespace, 'bob', null);
    await expect(bob.drive.namespace(namespace)).rejects.toMatchObject({ code: 'notFound' });
  });

  test('a refused upload of any size gets its refusal', async () => {
    const { frame } = randomBlock(2 ** 20);
    let pulled = 0;
    let released = false;
    async function* endless() {
      try {
        for (;;) {
          pulled += 1;
          yield frame;
        }
      } finally {
        released = true;
      }
    }
    await expect(eve.drive.put(ada.namespace, endless())).rejects.toMatchObject({ code: 'notFound' });
    expect(pulled).toBeLessThan(70);
    expect(released).toBe(true);
    expect(await eve.drive.namespaces()).toHaveLength(1);
  });

  describe('a damaged upload', () => {
    async function post(body: Uint8Array): Promise<{ status: number; body: unknown }> {
      const response = await fetch(server.gateway.url + endpointPath(streamEndpoints.putBlocks, ada.namespace), {
        method: 'POST',
        headers: { authorization: `Bearer ${ada.token}`, 'content-type': framesContentType },
        body: Uint8Array.from(body),
      });
      return { status: response.status, body: await response.json() };
    }

    test('that was cut says where, and nothing of it can be named', async () => {
      const block = randomBlock(3000);
      const bytes = Buffer.concat(await collectAll(encodeBlockFrames([block.frame])));
      for (const length of [0, 1, 40, 1500, bytes.length - 1]) {
        const message = `the stream of blocks was cut off after ${length} bytes`;
        expect(await post(bytes.subarray(0, length))).toEqual({
          status: 400,
          body: { error: { code: 'invalidArgument', message } },
        });
      }
      expect(await ada.drive.have(ada.namespace, [block.hash])).toEqual(new Set());
      expect(await post(bytes)).toMatchObject({ status: 200 });
      expect(await ada.drive.have(ada.namespace, [block.hash])).toEqual(new Set([block.hash]));
    });

    test('of garbage is refused', async () => {
      expect(await post(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toMatchObject({
        status: 400,
        body: { error: { code: 'invalidArgument' } },
      });
    });

    test('whose announced length is too large is refused', async () => {
      const bytes = Buffer.concat(await collectAll(encodeBlockFrames([randomBlock(3000).frame])));
      bytes.writeUInt32LE(2 ** 21, 33);
      bytes.writeUInt32LE(2 ** 21, 37);
      expect(await post(bytes)).toMatchObject({ status: 413, body: { error: { code: 'tooLarge' } } });
    });
  });

  test('the root of a foreign namespace is not found', async () => {
    const place = { parent: rootInodeOf(ada.namespace), name: 'x' };
    await expect(eve.drive.lookup(ada.namespace, place)).rejects.toMatchObject({ code: 'notFound' });
    await expect(eve.drive.inode(eve.namespace, rootInodeOf(ada.namespace))).rejects.toMatchObject({
      code: 'notFound',
    });
  });
});
