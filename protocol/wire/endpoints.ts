import { z } from 'zod';
import type { Caller, DeviceInfo, IssuedSecret } from '../accounts.ts';
import type { GetBlocksRequest, PutBlocksResult } from '../block-service.ts';
import type { BlockHash, NamespaceId } from '../ids.ts';
import { limits } from '../limits.ts';
import { commitRequest, commitResult } from './commit-schemas.ts';
import {
  blockHash,
  commitMark,
  count,
  cursor,
  deviceId,
  inodeId,
  namespaceId,
  timeMs,
  userId,
  version,
} from './scalars.ts';
import { manifest } from './scalars.ts';
import { at, directoryPage, inodeState, namespaceInfo, requestedPlace, role, versionInfo } from './tree-schemas.ts';
import { apiPrefix } from './wire-version.ts';
import type { WireSchema } from './wire-json.ts';

/**
 * One call of the API. Every call is a POST: names and paths of files are arguments, and arguments belong neither
 * into URLs nor into the logs of proxies. `request` is the JSON body; `response` that of a 200.
 */
export interface Endpoint<Request, Response> {
  readonly name: string;
  /** `namespace` calls have a namespace in their path; `public` ones need no token. */
  readonly scope: 'public' | 'caller' | 'namespace';
  readonly request: WireSchema<Request>;
  readonly response: WireSchema<Response>;
  readonly bodyBytesMax: number;
}

const smallBodyBytesMax = 64 * 1024;
const ordinaryBodyBytesMax = 1024 * 1024;

function endpoint<Request, Response>(
  name: string,
  scope: Endpoint<Request, Response>['scope'],
  request: WireSchema<Request>,
  response: WireSchema<Response>,
  bodyBytesMax = ordinaryBodyBytesMax,
): Endpoint<Request, Response> {
  return { name, scope, request, response, bodyBytesMax };
}

const nothing: WireSchema<Record<string, never>> = z.strictObject({});
const atMoment = at.exactOptional();
const userName = z.string().min(1).max(limits.userNameCharactersMax);
const path = z.array(z.string()).max(10_000);

const caller: WireSchema<Caller> = z.strictObject({ user: userId, userName: z.string(), device: deviceId.nullable() });
const issuedSecret: WireSchema<IssuedSecret> = z.strictObject({ device: deviceId, secret: z.string() });
const deviceInfo: WireSchema<DeviceInfo> = z.strictObject({
  device: deviceId,
  name: z.string(),
  kind: z.enum(['device', 'app']),
  createdMs: timeMs,
});

const deviceName = z.string().min(1).max(200);
const password = z.string().max(1024);
const namespaceName = z.string().min(1).max(limits.nameBytesMax);
const pageLimit = z.int().min(1);
/** Distinct hashes; a set is a list on the wire. */
const hashSet = z.codec(z.array(blockHash), z.custom<ReadonlySet<BlockHash>>(), {
  decode: (list) => new Set(list),
  encode: (set) => [...set],
});

const putBlocksResult: WireSchema<PutBlocksResult> = z.strictObject({
  receivedBlocks: count,
  storedBlocks: count,
  storedBytes: count,
});
const getBlocksRequest: WireSchema<GetBlocksRequest> = z.strictObject({
  inode: inodeId,
  version,
  hashes: z.array(blockHash),
});
const listRequest = z.strictObject({
  directory: inodeId,
  page: z.strictObject({ after: z.string().exactOptional(), limit: pageLimit.exactOptional() }),
  at: atMoment,
});

/** Calls that answer with one JSON value. */
export const endpoints = {
  /** A user's password for a device token. */
  login: endpoint(
    'login',
    'public',
    z.strictObject({ user: userName, password, deviceName }),
    issuedSecret,
    smallBodyBytesMax,
  ),
  whoami: endpoint('whoami', 'caller', nothing, caller, smallBodyBytesMax),
  devices: endpoint('devices', 'caller', nothing, z.array(deviceInfo), smallBodyBytesMax),
  issueAppPassword: endpoint(
    'issue-app-password',
    'caller',
    z.strictObject({ name: deviceName }),
    issuedSecret,
    smallBodyBytesMax,
  ),
  revokeDevice: endpoint('revoke-device', 'caller', z.strictObject({ device: deviceId }), nothing, smallBodyBytesMax),
  namespaces: endpoint('namespaces', 'caller', nothing, z.array(namespaceInfo), smallBodyBytesMax),
  createNamespace: endpoint(
    'create-namespace',
    'caller',
    z.strictObject({ name: namespaceName }),
    z.strictObject({ namespace: namespaceId }),
    smallBodyBytesMax,
  ),

  grant: endpoint(
    'grant',
    'namespace',
    z.strictObject({ userName, role: role.nullable() }),
    nothing,
    smallBodyBytesMax,
  ),
  namespace: endpoint('info', 'namespace', nothing, namespaceInfo, smallBodyBytesMax),
  commit: endpoint('commit', 'namespace', commitRequest, commitResult, limits.jsonBodyBytesMax),
  lookup: endpoint('lookup', 'namespace', z.strictObject({ place: requestedPlace, at: atMoment }), inodeState),
  resolve: endpoint('resolve', 'namespace', z.strictObject({ path, at: atMoment }), inodeState),
  list: endpoint('list', 'namespace', listRequest, directoryPage),
  inode: endpoint('inode', 'namespace', z.strictObject({ inode: inodeId, at: atMoment }), inodeState),
  manifest: endpoint('manifest', 'namespace', z.strictObject({ inode: inodeId, version }), manifest),
  versions: endpoint('versions', 'namespace', z.strictObject({ place: requestedPlace }), z.array(versionInfo)),
  have: endpoint('have', 'namespace', z.strictObject({ hashes: z.array(blockHash) }), hashSet),
} as const;

/** Calls whose body or answer is a stream. Their JSON half is described here; change-lines.ts and block-frames.ts have the other. */
export const streamEndpoints = {
  /** Answers with lines. */
  changes: endpoint(
    'changes',
    'namespace',
    z.strictObject({ after: cursor, upTo: cursor.exactOptional(), mark: commitMark.exactOptional() }),
    nothing,
    smallBodyBytesMax,
  ),
  /** Takes frames. */
  putBlocks: endpoint('put-blocks', 'namespace', nothing, putBlocksResult, limits.putBlocksBytesMax),
  /** Answers with frames. */
  getBlocks: endpoint('get-blocks', 'namespace', getBlocksRequest, nothing),
} as const;

/** The path of a call; `namespace` is there exactly for calls of that scope. */
export function endpointPath(
  { name, scope }: Pick<Endpoint<never, never>, 'name' | 'scope'>,
  namespace?: NamespaceId,
): string {
  return scope === 'namespace' ? `${apiPrefix}/namespaces/${namespace}/${name}` : `${apiPrefix}/${name}`;
}
