import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { decodeBlock } from '../../../blockstore/codec.ts';
import type { CommitMark, Cursor, InodeId, NamespaceId, Version } from '../../../protocol/ids.ts';
import { cursorZero, rootInodeOf, versionZero } from '../../../protocol/ids.ts';
import { limits } from '../../../protocol/limits.ts';
import { startTestServer } from '../../gateway/test-server.ts';
import type { TestServer, TestUser } from '../../gateway/test-server.ts';
import { collectAll, commitOf, freshId, manifestOf, newFile, randomBlock, stream } from '../../gateway/tree-values.ts';

describe('a remote drive', () => {
  let server: TestServer;
  let ada: TestUser;

  beforeAll(async () => {
    server = await startTestServer();
    ada = await server.addUser('ada');
  });

  afterAll(() => server.close());

  test('uploads, commits, lists and downloads', async () => {
    const { drive, namespace } = ada;
    const blocks = [randomBlock(300_000), randomBlock(7)];
    const put = await drive.put(namespace, stream(blocks.map(({ frame }) => frame)));
    expect(put).toMatchObject({ receivedBlocks: 2, storedBlocks: 2 });
    const file = newFile(namespace, 'a.bin', { manifest: manifestOf(...blocks) });
    const { cursor, outcomes } = await drive.commit(namespace, commitOf(file));
    expect(outcomes).toEqual([{ type: 'applied' }]);
    const state = await drive.lookup(namespace, file);
    expect(state).toMatchObject({ inode: file.inode, size: 300_007, version: cursor, mtimeNs: file.mtimeNs });
    expect(await drive.manifest(namespace, file.inode, state.version)).toEqual(file.manifest);
    const hashes = blocks.map(({ hash }) => hash);
    const frames = await collectAll(drive.get(namespace, { inode: file.inode, version: state.version, hashes }));
    const found = new Map(frames.map((frame) => [frame.hash, Buffer.from(decodeBlock(frame))]));
    expect(found).toEqual(new Map(blocks.map(({ hash, plaintext }) => [hash, plaintext])));
  });

  test('answers every read as the metadata does directly', async () => {
    const { drive, namespace, caller } = ada;
    const direct = server.metadata.as(caller);
    const xattrs = new Map([
      ['__proto__', Buffer.from([0, 255])],
      ['user.empty', Buffer.alloc(0)],
    ]);
    const directory = newFile(namespace, 'dir', { kind: 'directory', mode: 0o755 });
    const file = newFile(namespace, 'ünï "código" \u{1f600}\n', {
      parent: directory.inode,
      xattrs,
      uid: 4_000_000_000,
    });
    const { cursor } = await drive.commit(namespace, commitOf(directory, file));
    const link = newFile(namespace, 'link', { kind: 'symlink', target: '../é', mtimeNs: -5n });
    await drive.commit(namespace, commitOf(link));
    const root = rootInodeOf(namespace);
    const page = { limit: 1 };
    const after = { after: 'dir' };
    const at = { cursor };
    const path = ['dir', file.name];
    expect(normal(await drive.namespaces())).toEqual(normal(await direct.namespaces()));
    expect(await drive.namespace(namespace)).toEqual(await direct.namespace(namespace));
    expect(normal(await drive.lookup(namespace, file))).toEqual(normal(await direct.lookup(namespace, file)));
    expect(normal(await drive.resolve(namespace, path))).toEqual(normal(await direct.resolve(namespace, path)));
    expect(normal(await drive.resolve(namespace, []))).toEqual(normal(await direct.resolve(namespace, [])));
    expect(normal(await drive.list(namespace, root, page))).toEqual(normal(await direct.list(namespace, root, page)));
    expect(normal(await drive.list(namespace, root, after))).toEqual(normal(await direct.list(namespace, root, after)));
    expect(normal(await drive.list(namespace, root, {}, at))).toEqual(
      normal(await direct.list(namespace, root, {}, at)),
    );
    expect(normal(await drive.inode(namespace, link.inode))).toEqual(normal(await direct.inode(namespace, link.inode)));
    expect(await drive.versions(namespace, file)).toEqual(await direct.versions(namespace, file));
    expect(normal(await collectAll(drive.changes(namespace, cursorZero)))).toEqual(
      normal(await collectAll(direct.changes(namespace, cursorZero))),
    );
    expect(normal(await collectAll(drive.changes(namespace, cursor)))).toEqual(
      normal(await collectAll(direct.changes(namespace, cursor))),
    );
  });

  test('fails as the metadata does directly', async () => {
    const { drive, namespace, caller } = ada;
    const direct = server.metadata.as(caller);
    const root = rootInodeOf(namespace);
    const nobody = freshId<InodeId>();
    const nowhere = freshId<NamespaceId>();
    const manifest = manifestOf(randomBlock());
    const otherMark = '0'.repeat(32) as CommitMark;
    const calls: ((on: typeof direct) => Promise<unknown>)[] = [
      (on) => on.namespace(nowhere),
      (on) => on.lookup(namespace, { parent: root, name: 'no such' }),
      (on) => on.lookup(namespace, { parent: nobody, name: 'x' }),
      (on) => on.lookup(namespace, { parent: root, name: 'a\0b' }),
      (on) => on.lookup(namespace, { parent: root, name: 'x'.repeat(256) }),
      (on) => on.lookup(namespace, { parent: root, name: '\ud800' }),
      (on) => on.resolve(namespace, ['a', '..', 'b']),
      (on) => on.inode(namespace, nobody),
      (on) => on.manifest(namespace, nobody, 3 as Version),
      (on) => on.manifest(namespace, nobody, versionZero),
      (on) => on.list(namespace, nobody, {}),
      (on) => on.versions(namespace, { parent: nobody, name: 'x' }),
      (on) => on.commit(namespace, commitOf(newFile(namespace, '..'))),
      (on) => on.commit(namespace, commitOf(newFile(namespace, 'a/b'))),
      (on) => on.commit(namespace, commitOf(newFile(namespace, 'x'.repeat(256)))),
      (on) => on.commit(namespace, commitOf(newFile(namespace, 'x', { manifest }))),
      (on) => on.commit(nowhere, commitOf()),
      (on) => collectAll(on.changes(namespace, 1_000_000 as Cursor)),
      (on) => collectAll(on.changes(nowhere, cursorZero)),
      (on) => collectAll(on.changes(namespace, 1 as Cursor, undefined, otherMark)),
      (on) => on.commit(namespace, { ...commitOf(), after: { cursor: 1 as Cursor, mark: otherMark } }),
    ];
    for (const call of calls)
      expect(await outcome(() => call(drive)), String(call)).toEqual(await outcome(() => call(direct)));
  });

  test('commits once for one client commit id', async () => {
    const { drive, namespace } = ada;
    const request = commitOf(newFile(namespace, 'once'));
    const first = await drive.commit(namespace, request);
    expect(await drive.commit(namespace, request)).toEqual(first);
  });

  test('sends more than one request may hold in several', async () => {
    const { drive, namespace } = ada;
    const count = limits.putBlocksBytesMax / limits.blockBytesMax + 3;
    function* frames() {
      for (let index = 0; index < count; index += 1) yield randomBlock(limits.blockBytesMax).frame;
    }
    const before = server.log.length;
    expect(await drive.put(namespace, stream(frames()))).toMatchObject({ receivedBlocks: count });
    const puts = () => server.log.slice(before).filter(({ path }) => String(path).endsWith('/put-blocks'));
    await vi.waitFor(() => expect(puts()).toHaveLength(2));
  });

  test('tells when the bytes of a frame are sent, so that they can be freed', async () => {
    const { drive, namespace } = ada;
    const blocks = Array.from({ length: 8 }, () => randomBlock(300_000));
    const kept = blocks.map(({ plaintext }) => Buffer.from(plaintext));
    await drive.put(namespace, stream(blocks.map(({ frame }) => frame)), (bytes) => void bytes.fill(0));
    expect(blocks.every(({ frame }) => frame.bytes.every((byte) => byte === 0))).toBe(true);
    const file = newFile(namespace, 'sent', { manifest: manifestOf(...blocks) });
    const { cursor } = await drive.commit(namespace, commitOf(file));
    const request = { inode: file.inode, version: cursor as number as Version, hashes: blocks.map(({ hash }) => hash) };
    const frames = await collectAll(drive.get(namespace, request));
    expect(frames.map((frame) => Buffer.from(decodeBlock(frame)))).toEqual(kept);
  });

  test('puts nothing at all', async () => {
    expect(await ada.drive.put(ada.namespace, stream([]))).toEqual({
      receivedBlocks: 0,
      storedBlocks: 0,
      storedBytes: 0,
    });
  });

  test('refuses more hashes than a request may name', async () => {
    const hashes = Array.from({ length: limits.haveHashesMax + 1 }, () => randomBlock(1).hash);
    await expect(ada.drive.have(ada.namespace, hashes)).rejects.toMatchObject({ code: 'tooLarge' });
    const request = { inode: freshId<InodeId>(), version: 1 as Version, hashes: hashes.slice(0, 1025) };
    await expect(collectAll(ada.drive.get(ada.namespace, request))).rejects.toMatchObject({ code: 'tooLarge' });
  });

  test('lets a consumer stop early', async () => {
    const { drive, namespace } = ada;
    const blocks = Array.from({ length: 20 }, () => randomBlock(500_000));
    await drive.put(namespace, stream(blocks.map(({ frame }) => frame)));
    const file = newFile(namespace, 'long', { manifest: manifestOf(...blocks) });
    const { cursor } = await drive.commit(namespace, commitOf(file));
    const request = { inode: file.inode, version: cursor as number as Version, hashes: blocks.map(({ hash }) => hash) };
    for await (const frame of drive.get(namespace, request)) {
      expect(frame.length).toBe(500_000);
      break;
    }
    const giveUp = new AbortController();
    const rest = drive.get(namespace, request, giveUp.signal);
    await expect(
      (async () => {
        for await (const frame of rest) giveUp.abort(frame);
      })(),
    ).rejects.toMatchObject({ code: 'cancelled' });
    expect(await drive.namespace(namespace)).toMatchObject({ name: 'ada' });
  });
});

/** Bytes come as `Uint8Array` or `Buffer`: equal to us, not to the test runner. */
function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof Map) return [...value].map(normal);
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, normal(one)]));
  }
  return value;
}

async function outcome(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return { value: normal(await call()) };
  } catch (error) {
    return { code: (error as { code?: unknown }).code, message: (error as Error).message };
  }
}
