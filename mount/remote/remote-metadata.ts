import type { ChangeBatch } from '../../protocol/changes.ts';
import type { CommitMark, Cursor, InodeId, NamespaceId, Version } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { At, DirectoryPage, Metadata, NamespaceInfo, VersionInfo } from '../../protocol/metadata.ts';
import type { CommitRequest, CommitResult, Place } from '../../protocol/operations.ts';
import { decodeChangeLines } from '../../protocol/wire/change-lines.ts';
import { endpointPath, endpoints, streamEndpoints } from '../../protocol/wire/endpoints.ts';
import { encodeJson } from '../../protocol/wire/wire-json.ts';
import { jsonContentType, linesContentType } from '../../protocol/wire/wire-version.ts';
import type { HttpClient } from './http-client.ts';

/** The tree of a server, over HTTP. Besides what `Metadata` says, calls throw `unavailable` and `timeout`. */
export class RemoteMetadata implements Metadata {
  readonly #client: HttpClient;

  constructor(client: HttpClient) {
    this.#client = client;
  }

  async namespaces(): Promise<readonly NamespaceInfo[]> {
    return this.#client.call(endpoints.namespaces, {});
  }

  async namespace(namespace: NamespaceId): Promise<NamespaceInfo> {
    return this.#client.call(endpoints.namespace, {}, namespace);
  }

  async commit(namespace: NamespaceId, request: CommitRequest): Promise<CommitResult> {
    return this.#client.call(endpoints.commit, request, namespace);
  }

  async *changes(
    namespace: NamespaceId,
    after: Cursor,
    upTo?: Cursor,
    mark?: CommitMark,
  ): AsyncGenerator<ChangeBatch, void, undefined> {
    const { changes } = streamEndpoints;
    const request = { after, ...(upTo === undefined ? {} : { upTo }), ...(mark === undefined ? {} : { mark }) };
    const answer = this.#client.stream({
      path: endpointPath(changes, namespace),
      contentType: jsonContentType,
      body: Buffer.from(encodeJson(changes.request, request)),
      answerType: linesContentType,
    });
    yield* decodeChangeLines(answer);
  }

  async lookup(namespace: NamespaceId, place: Place, at?: At): Promise<InodeState> {
    return this.#client.call(
      endpoints.lookup,
      { place: { parent: place.parent, name: place.name }, ...moment(at) },
      namespace,
    );
  }

  async resolve(namespace: NamespaceId, path: readonly string[], at?: At): Promise<InodeState> {
    return this.#client.call(endpoints.resolve, { path: [...path], ...moment(at) }, namespace);
  }

  async list(
    namespace: NamespaceId,
    directory: InodeId,
    page: { readonly after?: string; readonly limit?: number },
    at?: At,
  ): Promise<DirectoryPage> {
    return this.#client.call(endpoints.list, { directory, page, ...moment(at) }, namespace);
  }

  async inode(namespace: NamespaceId, inode: InodeId, at?: At): Promise<InodeState> {
    return this.#client.call(endpoints.inode, { inode, ...moment(at) }, namespace);
  }

  async manifest(namespace: NamespaceId, inode: InodeId, version: Version): Promise<Manifest> {
    return this.#client.call(endpoints.manifest, { inode, version }, namespace);
  }

  async versions(namespace: NamespaceId, place: Place): Promise<readonly VersionInfo[]> {
    return this.#client.call(endpoints.versions, { place: { parent: place.parent, name: place.name } }, namespace);
  }
}

function moment(at: At | undefined): { at?: At } {
  return at === undefined ? {} : { at };
}
