import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Caller } from '../../protocol/accounts.ts';
import { DriveError } from '../../protocol/errors.ts';
import { parseId } from '../../protocol/ids.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import type { MetadataStore } from '../../protocol/metadata-store.ts';
import { apiPrefix, wireVersion } from '../../protocol/wire/wire-version.ts';
import type { Authenticator } from '../authenticator.ts';
import { DriveBlocks } from '../drive-blocks.ts';
import type { StoredBlocks } from '../drive-blocks.ts';
import type { EntitledBlocks } from '../entitled-blocks.ts';
import type { SyncLatency } from '../notifications/sync-latency.ts';
import type { RequestBodies } from '../request-body.ts';
import type { ApiCall } from './api-call.ts';
import { namespacedRoutes, plainRoutes } from './api-routes.ts';
import type { ApiRoute } from './api-routes.ts';

export interface ApiHandlerParts {
  readonly store: MetadataStore;
  readonly blockStore: StoredBlocks;
  readonly entitledBlocks: EntitledBlocks;
  readonly authenticator: Authenticator;
  readonly bodies: RequestBodies;
  readonly syncLatency: SyncLatency;
  readonly logger: Logger;
}

/** One request to the API; `identified` tells the log whose it is. */
export interface ApiRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly identified: (caller: Caller) => void;
}

/**
 * Answers the API. It stands on Node's own HTTP, as WebDAV does, and not on a framework: every call is one entry of
 * the table that both ends share, so there is nothing to route by pattern, and bodies must be streamed, bounded and
 * refused (role before body, `100 Continue`) in ways that a framework's body parser would have to be kept from.
 */
export async function handleApi(
  parts: ApiHandlerParts,
  { request, response, path, signal, identified }: ApiRequest,
): Promise<void> {
  const { route, namespace } = findRoute(path);
  if (request.method !== 'POST') throw new DriveError('invalidArgument', 'every call of the API is a POST');
  const { blockStore, entitledBlocks, ...shared } = parts;
  const { store, authenticator } = shared;
  const call: ApiCall = { ...shared, request, response, signal };
  if (route.scope === 'public') return route.answer(call);
  const caller = await authenticator.bearer(request);
  identified(caller);
  const metadata = store.as(caller);
  if (route.scope === 'caller') return route.answer({ ...call, caller, metadata });
  const blocks = new DriveBlocks({ caller, metadata, entitlements: store.entitlements, blockStore, entitledBlocks });
  return route.answer({ ...call, caller, metadata, blocks, namespace: namespaceOf(namespace) });
}

function namespaceOf(text: string | undefined): NamespaceId {
  return parseId<NamespaceId>(text ?? '');
}

function findRoute(path: string): { readonly route: ApiRoute; readonly namespace: string | undefined } {
  if (!path.startsWith(`${apiPrefix}/`)) {
    throw new DriveError('unsupported', `this server speaks version ${wireVersion} of the API, at ${apiPrefix}`);
  }
  const segments = path.slice(apiPrefix.length + 1).split('/');
  const [first = '', namespace, name = ''] = segments;
  if (segments.length === 1) {
    const route = plainRoutes.get(first);
    if (route !== undefined) return { route, namespace: undefined };
  } else if (segments.length === 3 && first === 'namespaces') {
    const route = namespacedRoutes.get(name);
    if (route !== undefined) return { route, namespace };
  }
  throw new DriveError('notFound', 'the API has no such call');
}
