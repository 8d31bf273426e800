import { randomBytes } from 'node:crypto';
import { encodeBlock } from '../../blockstore/codec.ts';
import { hashBlock } from '../../blockstore/hash.ts';
import type { BlockFrame } from '../../protocol/block-service.ts';
import type { BlockHash, ClientCommitId, InodeId, NamespaceId } from '../../protocol/ids.ts';
import { rootInodeOf } from '../../protocol/ids.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { CommitRequest, CreateOperation, Operation } from '../../protocol/operations.ts';

export function freshId<Id extends string>(): Id {
  return randomBytes(16).toString('hex') as Id;
}

export function commitOf(...operations: Operation[]): CommitRequest {
  return { clientCommitId: freshId<ClientCommitId>(), operations, onConflict: 'resolve' };
}

export function newFile(namespace: NamespaceId, name: string, more: Partial<CreateOperation> = {}): CreateOperation {
  return {
    type: 'create',
    parent: rootInodeOf(namespace),
    name,
    inode: freshId<InodeId>(),
    kind: 'file',
    mode: 0o644,
    uid: null,
    gid: null,
    mtimeNs: 1_700_000_000_123_456_789n,
    ctimeNs: 1_700_000_000_123_456_789n,
    rdev: 0,
    target: null,
    manifest: null,
    xattrs: new Map(),
    ...more,
  };
}

export interface TestBlock {
  readonly plaintext: Uint8Array;
  readonly hash: BlockHash;
  readonly frame: BlockFrame;
}

export function blockOf(plaintext: Uint8Array): TestBlock {
  const hash = hashBlock(plaintext);
  return { plaintext, hash, frame: encodeBlock(hash, plaintext) };
}

export function randomBlock(length = 1000): TestBlock {
  return blockOf(randomBytes(length));
}

export function manifestOf(...blocks: TestBlock[]): Manifest {
  return {
    profile: 'test',
    entries: blocks.map(({ hash, plaintext }) => ({ hash, length: plaintext.length })),
  };
}

export async function* stream<Item>(items: Iterable<Item>): AsyncGenerator<Item, void, undefined> {
  yield* items;
}

export async function collectAll<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
