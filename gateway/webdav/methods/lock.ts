import { DriveError, isDriveError } from '../../../protocol/errors.ts';
import type { Lease } from '../../../protocol/leases.ts';
import { parseDepth } from '../depth.ts';
import type { Exchange, Target } from '../exchange.ts';
import { requireUnlocked } from '../lock-guard.ts';
import { xmlContentType } from '../multistatus.ts';
import { checkPreconditions } from '../preconditions.ts';
import { lockDiscovery } from '../properties/lock-properties.ts';
import { Refusal } from '../refusal.ts';
import { commitAll, createOperation, untilCommitted } from '../tree-commit.ts';
import { davChildren, isDav, writeElement } from '../xml-element.ts';
import type { XmlElement } from '../xml-element.ts';

const ownerBytesMax = 4096;

/** What a LOCK body asks for. */
interface LockRequest {
  readonly exclusive: boolean;
  readonly owner: string;
}

/** LOCK (RFC 4918 §9.10): with a body a new lock, without one a refresh. On a free name it makes an empty file. */
export async function lock(exchange: Exchange): Promise<void> {
  const body = await exchange.xmlBody();
  const target = await exchange.treeTarget();
  if (body === null) await refreshLock(exchange, target);
  else await newLock(exchange, target, parseLockInfo(body));
}

async function refreshLock(exchange: Exchange, target: Target): Promise<void> {
  const { leases } = exchange.dependencies;
  const namespace = target.tree.namespace.id;
  const location = await target.tree.locate(target.path);
  const tokens = await checkPreconditions(exchange, target, location?.shown ?? null);
  if (tokens.size === 0)
    throw new DriveError('invalidArgument', 'a LOCK without a body refreshes a lock and needs its token in If');
  const covering = await leases.covering(exchange.caller, namespace, target.path, false);
  const own = covering.find((lease) => tokens.has(lease.token));
  if (own === undefined) {
    throw new Refusal(412, 'no lock of that token is here any more', { condition: 'lock-token-matches-request-uri' });
  }
  const lease = await leases.refresh(exchange.caller, namespace, own.token, durationMs(exchange));
  answer(exchange, target, lease, 200);
}

async function newLock(exchange: Exchange, target: Target, { exclusive, owner }: LockRequest): Promise<void> {
  const { tree, path } = target;
  const { leases } = exchange.dependencies;
  const deep = parseDepth(exchange, ['0', 'infinity']) === 'infinity';
  const location = await tree.locate(path);
  const tokens = await checkPreconditions(exchange, target, location?.shown ?? null);
  if (location === null)
    throw new DriveError('conflict', `the collection that is to hold "/${path.join('/')}" does not exist`);
  if (location.entry === null && path.length > 0) {
    await requireUnlocked(exchange, [{ target, path: path.slice(0, -1), below: false }], tokens);
  }
  const lease = await acquire(exchange, target, {
    path,
    deep,
    exclusive,
    owner,
    durationMs: durationMs(exchange),
  });
  let created: boolean;
  try {
    created = await createIfFree(exchange, target);
  } catch (error) {
    await leases.release(exchange.caller, tree.namespace.id, lease.token);
    throw error;
  }
  answer(exchange, target, lease, created ? 201 : 200);
}

async function acquire(
  exchange: Exchange,
  target: Target,
  request: Parameters<Exchange['dependencies']['leases']['acquire']>[2],
): Promise<Lease> {
  const { leases } = exchange.dependencies;
  try {
    return await leases.acquire(exchange.caller, target.tree.namespace.id, request);
  } catch (error) {
    if (!isDriveError(error, 'locked')) throw error;
    const standing = await leases.covering(exchange.caller, target.tree.namespace.id, target.path, request.deep);
    const hrefs = standing.map((lease) => exchange.href(target, lease.path, lease.deep));
    throw new Refusal(423, error.message, { condition: 'no-conflicting-lock', hrefs });
  }
}

/** A lock on a free name reserves it by an empty file (RFC 4918 §7.3). Whether it had to be made. */
async function createIfFree(exchange: Exchange, { tree, path, trailingSlash }: Target): Promise<boolean> {
  return untilCommitted(exchange, async () => {
    const location = await tree.locate(path);
    if (location === null)
      throw new DriveError('conflict', `the collection that is to hold "/${path.join('/')}" is gone`);
    if (location.place === null || location.entry !== null) return false;
    if (trailingSlash) throw new Refusal(409, 'there is no such collection to lock: make it with MKCOL');
    await commitAll(exchange, tree, [createOperation(exchange, location.place, { kind: 'file' })]);
    return true;
  });
}

function parseLockInfo(body: XmlElement): LockRequest {
  const [scope] = davChildren(body, 'lockscope');
  const [type] = davChildren(body, 'locktype');
  const [owner] = davChildren(body, 'owner');
  if (!isDav(body, 'lockinfo') || scope === undefined || type === undefined) {
    throw new DriveError('invalidArgument', 'the body of a LOCK must be a DAV:lockinfo with lockscope and locktype');
  }
  const exclusive = davChildren(scope, 'exclusive').length === 1;
  const shared = davChildren(scope, 'shared').length === 1;
  if (exclusive === shared || davChildren(type, 'write').length !== 1) {
    throw new Refusal(422, 'only exclusive and shared write locks are known');
  }
  const ownerXml = owner === undefined ? '' : writeElement(owner);
  if (Buffer.byteLength(ownerXml) > ownerBytesMax) {
    throw new DriveError('tooLarge', `the owner of a lock is told in at most ${ownerBytesMax} bytes`);
  }
  return { exclusive, owner: ownerXml };
}

/** The first understood wish of a `Timeout` header (RFC 4918 §10.7), within this server's bounds. */
function durationMs(exchange: Exchange): number {
  const { lockSecondsDefault, lockSecondsMax } = exchange.limits;
  for (const wish of (exchange.header('timeout') ?? '').split(',')) {
    if (/^\s*infinite\s*$/i.test(wish)) return lockSecondsMax * 1000;
    const seconds = /^\s*second-(\d{1,10})\s*$/i.exec(wish)?.[1];
    if (seconds !== undefined) return Math.min(lockSecondsMax, Math.max(1, Number(seconds))) * 1000;
  }
  return lockSecondsDefault * 1000;
}

function answer(exchange: Exchange, target: Target, lease: Lease, status: 200 | 201): void {
  const nowMs = exchange.dependencies.clock.nowMs();
  const discovery = lockDiscovery([lease], nowMs, (of) => exchange.href(target, of.path, of.deep));
  const body =
    '<?xml version="1.0" encoding="utf-8"?>\n' +
    `<D:prop xmlns:D="DAV:"><D:lockdiscovery>${discovery}</D:lockdiscovery></D:prop>\n`;
  exchange.response.writeHead(status, { 'Content-Type': xmlContentType, 'Lock-Token': `<${lease.token}>` });
  exchange.response.end(body);
}
