import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { MetadataOptions } from '../../../metadata/open.ts';
import type { Caller } from '../../../protocol/accounts.ts';
import type { ChangeBatch } from '../../../protocol/changes.ts';
import { makeId, rootInodeOf } from '../../../protocol/ids.ts';
import type {
  BlockHash,
  ClientCommitId,
  CommitMark,
  Cursor,
  InodeId,
  NamespaceId,
  PackId,
  Version,
} from '../../../protocol/ids.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import type { MetadataStore } from '../../../protocol/metadata-store.ts';
import type { Metadata } from '../../../protocol/metadata.ts';
import type {
  AttributesOperation,
  CommitRequest,
  CommitResult,
  ContentOperation,
  CreateOperation,
  MoveOperation,
  Operation,
  UnlinkOperation,
} from '../../../protocol/operations.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import type { Engine, OpenedStore } from './engines.ts';

export function newId<Id extends InodeId | ClientCommitId | PackId | NamespaceId>(): Id {
  return makeId<Id>(systemClock, systemRandomness);
}

/** A user of one namespace, with short ways to say what a test does. */
export class Drive {
  readonly opened: OpenedStore;
  readonly caller: Caller;
  readonly namespace: NamespaceId;

  constructor(opened: OpenedStore, caller: Caller, namespace: NamespaceId) {
    this.opened = opened;
    this.caller = caller;
    this.namespace = namespace;
  }

  get store(): MetadataStore {
    return this.opened.store;
  }

  get tree(): Metadata {
    return this.store.as(this.caller);
  }

  get root(): InodeId {
    return rootInodeOf(this.namespace);
  }

  async commit(...operations: readonly Operation[]): Promise<CommitResult> {
    return this.tree.commit(this.namespace, request(operations));
  }

  /** Makes a folder and returns its inode. */
  async makeFolder(name: string, parent: InodeId = this.root): Promise<InodeId> {
    const operation = folder(parent, name);
    await this.commit(operation);
    return operation.inode;
  }

  /** Makes a file with the content that `text` stands for. */
  async makeFile(name: string, text = '', parent: InodeId = this.root): Promise<{ inode: InodeId; version: Version }> {
    const operation = file(parent, name, await this.upload(text));
    const { cursor } = await this.commit(operation);
    return { inode: operation.inode, version: cursor as number as Version };
  }

  /** A manifest of one block that holds `text`, uploaded by this user. */
  async upload(text: string): Promise<Manifest> {
    if (text === '') return { profile: 'test', entries: [] };
    const entry = { hash: hashOf(text), length: Buffer.byteLength(text) };
    await recordBlocks(this.store, [entry]);
    await this.store.entitlements.recordUploads(this.caller, [entry.hash]);
    return { profile: 'test', entries: [entry] };
  }

  /** The names below the root, as paths, with what their content is; folders end in a slash. */
  async paths(at?: { readonly cursor: Cursor }, directory = this.root, prefix = ''): Promise<readonly string[]> {
    const found: string[] = [];
    for (let after: string | undefined; ;) {
      const options = after === undefined ? { limit: 3 } : { after, limit: 3 };
      const page = await this.tree.list(this.namespace, directory, options, at);
      for (const { name, state } of page.entries) {
        found.push(prefix + name + (state.kind === 'directory' ? '/' : ''));
        if (state.kind !== 'directory') continue;
        found.push(...(await this.paths(at, state.inode, `${prefix}${name}/`)));
      }
      if (page.next === null) return found;
      after = page.next;
    }
  }

  async changes(after: Cursor, upTo?: Cursor, mark?: CommitMark): Promise<readonly ChangeBatch[]> {
    const batches: ChangeBatch[] = [];
    for await (const batch of this.tree.changes(this.namespace, after, upTo, mark)) batches.push(batch);
    return batches;
  }

  /** Another user, who is given a role in this namespace. */
  async invite(name: string, role: 'read' | 'write' | 'owner' | null): Promise<Drive> {
    const { user } = await this.store.accounts.createUser(name, `password of ${name}`);
    if (role !== null) await this.store.accounts.grant(this.caller, this.namespace, name, role);
    return new Drive(this.opened, { user, userName: name, device: null }, this.namespace);
  }
}

/** A fresh store with the user Ada and her namespace, closed when the test ends. */
export async function openDrive(engine: Engine, options?: MetadataOptions): Promise<Drive> {
  const opened = await engine.open(options);
  onTestFinished(() => opened.close());
  const { user, namespace } = await opened.store.accounts.createUser('Ada', 'correct horse');
  return new Drive(opened, { user, userName: 'Ada', device: null }, namespace);
}

export function request(operations: readonly Operation[], onConflict: 'resolve' | 'refuse' = 'resolve'): CommitRequest {
  return { clientCommitId: newId<ClientCommitId>(), operations, onConflict };
}

const plain = { mode: 0o644, uid: null, gid: null, mtimeNs: 1_700_000_000_123_456_789n, ctimeNs: 1n, rdev: 0 } as const;

export function file(parent: InodeId, name: string, manifest: Manifest | null = null): CreateOperation {
  const inode = newId<InodeId>();
  return { type: 'create', inode, parent, name, kind: 'file', ...plain, target: null, manifest, xattrs: new Map() };
}

export function folder(parent: InodeId, name: string): CreateOperation {
  return { ...file(parent, name), kind: 'directory', mode: 0o755 };
}

export function unlink(parent: InodeId, name: string, inode: InodeId, base = 0, recursive = false): UnlinkOperation {
  return { type: 'unlink', parent, name, inode, base: base as Version, recursive };
}

export function move(inode: InodeId, from: readonly [InodeId, string], to: readonly [InodeId, string]): MoveOperation {
  return {
    type: 'move',
    inode,
    from: { parent: from[0], name: from[1] },
    to: { parent: to[0], name: to[1] },
  };
}

export function content(inode: InodeId, base: number, manifest: Manifest): ContentOperation {
  return { type: 'content', inode, base: base as Version, manifest, mtimeNs: 5n, ctimeNs: 6n };
}

export function attributes(inode: InodeId, set: AttributesOperation['set']): AttributesOperation {
  return { type: 'attributes', inode, set, xattrs: new Map() };
}

export function hashOf(text: string): BlockHash {
  return createHash('sha256').update(text).digest('hex') as BlockHash;
}

/** Records a pack that holds the blocks. */
export async function recordBlocks(
  store: MetadataStore,
  blocks: readonly { readonly hash: BlockHash; readonly length: number }[],
): Promise<PackId> {
  const pack = newId<PackId>();
  const located = blocks.map(({ hash, length }, at) => {
    return [hash, { pack, offset: at * 100, storedLength: length + 16, length, encoding: 'raw' as const }] as const;
  });
  await store.blockIndex.record(
    { pack, byteLength: 1_000, keyId: 'key-1', wrappedKey: Uint8Array.of(1, 2, 3) },
    new Map(located),
  );
  return pack;
}
