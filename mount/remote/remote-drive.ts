import type { Caller } from '../../protocol/accounts.ts';
import type {
  BlockFrame,
  BlockService,
  GetBlocksRequest,
  PutBlocksResult,
  SpentBytes,
} from '../../protocol/block-service.ts';
import type { ChangeBatch } from '../../protocol/changes.ts';
import type { BlockHash, CommitMark, Cursor, InodeId, NamespaceId, Version } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { At, DirectoryPage, Metadata, NamespaceInfo, VersionInfo } from '../../protocol/metadata.ts';
import type { CommitRequest, CommitResult, Place } from '../../protocol/operations.ts';
import { endpoints } from '../../protocol/wire/endpoints.ts';
import { HttpClient } from './http-client.ts';
import { RemoteBlocks } from './remote-blocks.ts';
import { RemoteMetadata } from './remote-metadata.ts';
import type { RemoteServer } from './remote-server.ts';

/** A server's drive as one device sees it: its tree and its blocks over one set of connections, which `close` ends. */
export class RemoteDrive implements Metadata, BlockService {
  readonly #client: HttpClient;
  readonly #metadata: RemoteMetadata;
  readonly #blocks: RemoteBlocks;

  constructor(server: RemoteServer) {
    this.#client = new HttpClient(server);
    this.#metadata = new RemoteMetadata(this.#client);
    this.#blocks = new RemoteBlocks(this.#client);
  }

  /** Whose token this is; throws `unauthenticated` if nobody's. */
  whoami(): Promise<Caller> {
    return this.#client.call(endpoints.whoami, {});
  }

  namespaces(): Promise<readonly NamespaceInfo[]> {
    return this.#metadata.namespaces();
  }

  namespace(namespace: NamespaceId): Promise<NamespaceInfo> {
    return this.#metadata.namespace(namespace);
  }

  commit(namespace: NamespaceId, request: CommitRequest): Promise<CommitResult> {
    return this.#metadata.commit(namespace, request);
  }

  changes(namespace: NamespaceId, after: Cursor, upTo?: Cursor, mark?: CommitMark): AsyncIterable<ChangeBatch> {
    return this.#metadata.changes(namespace, after, upTo, mark);
  }

  lookup(namespace: NamespaceId, place: Place, at?: At): Promise<InodeState> {
    return this.#metadata.lookup(namespace, place, at);
  }

  resolve(namespace: NamespaceId, path: readonly string[], at?: At): Promise<InodeState> {
    return this.#metadata.resolve(namespace, path, at);
  }

  list(
    namespace: NamespaceId,
    directory: InodeId,
    page: { readonly after?: string; readonly limit?: number },
    at?: At,
  ): Promise<DirectoryPage> {
    return this.#metadata.list(namespace, directory, page, at);
  }

  inode(namespace: NamespaceId, inode: InodeId, at?: At): Promise<InodeState> {
    return this.#metadata.inode(namespace, inode, at);
  }

  manifest(namespace: NamespaceId, inode: InodeId, version: Version): Promise<Manifest> {
    return this.#metadata.manifest(namespace, inode, version);
  }

  versions(namespace: NamespaceId, place: Place): Promise<readonly VersionInfo[]> {
    return this.#metadata.versions(namespace, place);
  }

  have(namespace: NamespaceId, hashes: readonly BlockHash[]): Promise<ReadonlySet<BlockHash>> {
    return this.#blocks.have(namespace, hashes);
  }

  put(namespace: NamespaceId, frames: AsyncIterable<BlockFrame>, spent?: SpentBytes): Promise<PutBlocksResult> {
    return this.#blocks.put(namespace, frames, spent);
  }

  get(namespace: NamespaceId, request: GetBlocksRequest, signal?: AbortSignal): AsyncIterable<BlockFrame> {
    return this.#blocks.get(namespace, request, signal);
  }

  /** Ends all connections; calls under way fail with `unavailable`, later ones with `cancelled`. */
  close(): void {
    this.#client.close();
  }
}
