import type { Caller } from '../protocol/accounts.ts';
import type { ChangeBatch } from '../protocol/changes.ts';
import type { CommitMark, Cursor, InodeId, NamespaceId, Version } from '../protocol/ids.ts';
import type { InodeState } from '../protocol/inode-state.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { At, DirectoryPage, Metadata, NamespaceInfo, VersionInfo } from '../protocol/metadata.ts';
import type { CommitRequest, CommitResult, Place } from '../protocol/operations.ts';
import { changesAfter } from './changefeed.ts';
import { commit } from './commit/commit.ts';
import type { Committer } from './commit/commit.ts';
import { versionsAt } from './history.ts';
import { TreeReader } from './tree-reader.ts';

/** The tree in SQL, as one caller sees it. */
export class SqlMetadata implements Metadata {
  readonly #parts: Committer;
  readonly #caller: Caller;
  readonly #reader: TreeReader;

  constructor(parts: Committer, caller: Caller) {
    this.#parts = parts;
    this.#caller = caller;
    this.#reader = new TreeReader(parts.database, caller);
  }

  namespaces(): Promise<readonly NamespaceInfo[]> {
    return this.#reader.namespaces();
  }

  namespace(namespace: NamespaceId): Promise<NamespaceInfo> {
    return this.#reader.namespace(namespace);
  }

  commit(namespace: NamespaceId, request: CommitRequest): Promise<CommitResult> {
    return commit(this.#parts, this.#caller, namespace, request);
  }

  changes(namespace: NamespaceId, after: Cursor, upTo?: Cursor, mark?: CommitMark): AsyncIterable<ChangeBatch> {
    return changesAfter(this.#parts.database, this.#caller, namespace, after, upTo, mark);
  }

  lookup(namespace: NamespaceId, place: Place, at?: At): Promise<InodeState> {
    return this.#reader.lookup(namespace, place, at);
  }

  resolve(namespace: NamespaceId, path: readonly string[], at?: At): Promise<InodeState> {
    return this.#reader.resolve(namespace, path, at);
  }

  list(
    namespace: NamespaceId,
    directory: InodeId,
    page: { readonly after?: string; readonly limit?: number },
    at?: At,
  ): Promise<DirectoryPage> {
    return this.#reader.list(namespace, directory, page, at);
  }

  inode(namespace: NamespaceId, inode: InodeId, at?: At): Promise<InodeState> {
    return this.#reader.inode(namespace, inode, at);
  }

  manifest(namespace: NamespaceId, inode: InodeId, version: Version): Promise<Manifest> {
    return this.#reader.manifest(namespace, inode, version);
  }

  versions(namespace: NamespaceId, place: Place): Promise<readonly VersionInfo[]> {
    return versionsAt(this.#parts.database, this.#caller, namespace, place);
  }
}
