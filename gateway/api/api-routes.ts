import type { IssuedSecret } from '../../protocol/accounts.ts';
import { asDriveError, DriveError } from '../../protocol/errors.ts';
import { endpoints, streamEndpoints } from '../../protocol/wire/endpoints.ts';
import type { Endpoint } from '../../protocol/wire/endpoints.ts';
import { decodeJson, encodeJson } from '../../protocol/wire/wire-json.ts';
import { answerJson } from '../http-answer.ts';
import type { ApiCall, CallerCall, NamespaceCall } from './api-call.ts';
import { answerChanges, answerGetBlocks, answerPutBlocks } from './stream-routes.ts';

/** What answers a call, by the scope its path has. */
export type ApiRoute =
  | { readonly scope: 'public'; readonly answer: (call: ApiCall) => Promise<void> }
  | { readonly scope: 'caller'; readonly answer: (call: CallerCall) => Promise<void> }
  | { readonly scope: 'namespace'; readonly answer: (call: NamespaceCall) => Promise<void> };

/** Reads the body by the endpoint's schema, does the work and writes its result by the schema. */
function json<Request, Response, Call extends ApiCall>(
  endpoint: Endpoint<Request, Response>,
  work: (request: Request, call: Call) => Promise<Response>,
): (call: Call) => Promise<void> {
  return (call) =>
    call.bodies.buffered(call.request, call.response, endpoint.bodyBytesMax, async (body) => {
      const result = await work(decodeJson(endpoint.request, body), call);
      answerJson(call.response, 200, encodeResult(endpoint, result));
    });
}

/** A result that does not fit its own schema is our defect, not the client's. */
function encodeResult<Request, Response>(endpoint: Endpoint<Request, Response>, result: Response): string {
  try {
    return encodeJson(endpoint.response, result);
  } catch (cause) {
    const { message } = asDriveError(cause);
    throw new DriveError('internal', `the answer to ${endpoint.name} is malformed: ${message}`, { cause });
  }
}

type Entry = readonly [string, ApiRoute];

function forCaller<Request, Response>(
  endpoint: Endpoint<Request, Response>,
  work: (request: Request, call: CallerCall) => Promise<Response>,
): Entry {
  return [endpoint.name, { scope: 'caller', answer: json(endpoint, work) }];
}

function forNamespace<Request, Response>(
  endpoint: Endpoint<Request, Response>,
  work: (request: Request, call: NamespaceCall) => Promise<Response>,
): Entry {
  return [endpoint.name, { scope: 'namespace', answer: json(endpoint, work) }];
}

const accountRoutes: readonly Entry[] = [
  [endpoints.login.name, { scope: 'public', answer: json(endpoints.login, login) }],
  forCaller(endpoints.whoami, async (_, { caller }) => caller),
  forCaller(endpoints.devices, (_, { store, caller }) => store.accounts.devices(caller)),
  forCaller(endpoints.issueAppPassword, ({ name }, { store, caller }) =>
    store.accounts.issueSecret(caller, 'app', name),
  ),
  forCaller(endpoints.revokeDevice, async ({ device }, { store, caller }) => {
    await store.accounts.revoke(caller, device);
    return {};
  }),
  forCaller(endpoints.namespaces, (_, { metadata }) => metadata.namespaces()),
  forCaller(endpoints.createNamespace, async ({ name }, { store, caller }) => ({
    namespace: await store.accounts.createNamespace(caller, name),
  })),
];

const namespaceRoutes: readonly Entry[] = [
  forNamespace(endpoints.grant, async ({ userName, role }, { store, caller, namespace }) => {
    await store.accounts.grant(caller, namespace, userName, role);
    return {};
  }),
  forNamespace(endpoints.namespace, (_, { metadata, namespace }) => metadata.namespace(namespace)),
  forNamespace(endpoints.commit, async (request, { metadata, namespace, caller, syncLatency }) => {
    const result = await metadata.commit(namespace, request);
    syncLatency.committedBy({ namespace, cursor: result.cursor }, caller.device);
    return result;
  }),
  forNamespace(endpoints.lookup, ({ place, at }, { metadata, namespace }) => metadata.lookup(namespace, place, at)),
  forNamespace(endpoints.resolve, ({ path, at }, { metadata, namespace }) => metadata.resolve(namespace, path, at)),
  forNamespace(endpoints.list, ({ directory, page, at }, { metadata, namespace }) =>
    metadata.list(namespace, directory, page, at),
  ),
  forNamespace(endpoints.inode, ({ inode, at }, { metadata, namespace }) => metadata.inode(namespace, inode, at)),
  forNamespace(endpoints.manifest, ({ inode, version }, { metadata, namespace }) =>
    metadata.manifest(namespace, inode, version),
  ),
  forNamespace(endpoints.versions, ({ place }, { metadata, namespace }) => metadata.versions(namespace, place)),
  forNamespace(endpoints.have, ({ hashes }, { blocks, namespace }) => blocks.have(namespace, hashes)),
  [streamEndpoints.changes.name, { scope: 'namespace', answer: answerChanges }],
  [streamEndpoints.putBlocks.name, { scope: 'namespace', answer: answerPutBlocks }],
  [streamEndpoints.getBlocks.name, { scope: 'namespace', answer: answerGetBlocks }],
];

/** Calls without a namespace in their path, by name. */
export const plainRoutes: ReadonlyMap<string, ApiRoute> = new Map(accountRoutes);
/** Calls with one. */
export const namespacedRoutes: ReadonlyMap<string, ApiRoute> = new Map(namespaceRoutes);

async function login(
  { user, password, deviceName }: { readonly user: string; readonly password: string; readonly deviceName: string },
  { authenticator, request, store }: ApiCall,
): Promise<IssuedSecret> {
  const caller = await authenticator.password(request, user, password);
  return store.accounts.issueSecret(caller, 'device', deviceName);
}
