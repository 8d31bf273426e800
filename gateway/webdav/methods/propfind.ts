import type { InodeState } from '../../../protocol/inode-state.ts';
import type { Lease } from '../../../protocol/leases.ts';
import { parseDepth } from '../depth.ts';
import type { Exchange, Target } from '../exchange.ts';
import {
  bareNames,
  multistatusEnd,
  multistatusStart,
  propstat,
  responseElement,
  xmlContentType,
} from '../multistatus.ts';
import { checkPreconditions } from '../preconditions.ts';
import { deadProperty, deadPropertyNames } from '../properties/dead-properties.ts';
import { commonLiveProperties, liveProperty } from '../properties/live-properties.ts';
import type { Subject } from '../properties/live-properties.ts';
import { lockDiscovery } from '../properties/lock-properties.ts';
import type { PropertyName } from '../properties/property-name.ts';
import { Refusal } from '../refusal.ts';
import { ResponseWriter } from '../../response-writer.ts';
import { TreeView } from '../tree-view.ts';
import { davNamespace } from '../xml-element.ts';
import { parsePropfind } from './propfind-request.ts';
import type { PropfindRequest } from './propfind-request.ts';

/** PROPFIND (RFC 4918 §9.1) of depth 0 and 1, written while the directory is read. */
export async function propfind(exchange: Exchange): Promise<void> {
  const depth = parseDepth(exchange, ['0', '1', 'infinity']);
  const wanted = parsePropfind(await exchange.xmlBody());
  const target = await exchange.target();
  if (target === null) {
    if (depth === 'infinity') refuseInfinity();
    await listNamespaces(exchange, wanted, depth === '1');
    return;
  }
  const { shown } = await target.tree.require(target.path);
  await checkPreconditions(exchange, target, shown);
  if (depth === 'infinity' && shown.kind === 'directory') refuseInfinity();
  await listResource(exchange, target, shown, wanted, depth === '1' && shown.kind === 'directory');
}

function refuseInfinity(): never {
  throw new Refusal(403, 'a listing has Depth 0 or 1: walk the collections one by one', {
    condition: 'propfind-finite-depth',
  });
}

async function listResource(
  exchange: Exchange,
  target: Target,
  shown: InodeState,
  wanted: PropfindRequest,
  withMembers: boolean,
): Promise<void> {
  const { tree, path } = target;
  const locks = await LockTable.read(exchange, target, wanted, withMembers);
  const describe = (of: readonly string[], name: string, state: InodeState) =>
    responseElement(
      exchange.href(target, of, state.kind === 'directory'),
      propstatsOf({ name, shown: state, namespace: tree.namespace, lockDiscovery: locks.discovery(of) }, wanted),
    );
  const writer = await startMultistatus(exchange);
  await writer.text(describe(path, path.at(-1) ?? target.urlName, shown));
  if (withMembers) {
    for await (const entries of tree.list(path, shown.inode, exchange.limits.listPage)) {
      for (const entry of entries) await writer.text(describe([...path, entry.name], entry.name, entry.shown));
    }
  }
  await writer.text(multistatusEnd);
  await writer.end();
}

/** The list of namespaces is a collection that has no inode: of its properties it knows its type and name only. */
async function listNamespaces(exchange: Exchange, wanted: PropfindRequest, withMembers: boolean): Promise<void> {
  const { prefix } = exchange.dependencies;
  const own = new Map([
    ['resourcetype', '<D:resourcetype><D:collection/></D:resourcetype>'],
    ['displayname', '<D:displayname>Holdfast</D:displayname>'],
  ]);
  const named = [...own.keys()].map((local) => ({ namespace: davNamespace, local }));
  const ownElement = ({ namespace, local }: PropertyName) =>
    namespace === davNamespace ? (own.get(local) ?? null) : null;
  const writer = await startMultistatus(exchange);
  await writer.text(responseElement(`${prefix}/`, selectProperties(wanted, named, ownElement)));
  for (const [urlName, namespace] of withMembers ? await exchange.namespaces() : []) {
    const target: Target = { tree: new TreeView(exchange.metadata, namespace), urlName, path: [], trailingSlash: true };
    const { shown } = await target.tree.require([]);
    const locks = await LockTable.read(exchange, target, wanted, false);
    const subject = { name: urlName, shown, namespace, lockDiscovery: locks.discovery([]) };
    await writer.text(responseElement(exchange.href(target, [], true), propstatsOf(subject, wanted)));
  }
  await writer.text(multistatusEnd);
  await writer.end();
}

async function startMultistatus(exchange: Exchange): Promise<ResponseWriter> {
  exchange.response.writeHead(207, { 'Content-Type': xmlContentType });
  const writer = new ResponseWriter(exchange.response, exchange.signal);
  await writer.text(multistatusStart);
  return writer;
}

function propstatsOf(subject: Subject, wanted: PropfindRequest): string {
  const { xattrs } = subject.shown;
  const elementOf = (name: PropertyName) => liveProperty(subject, name) ?? deadProperty(xattrs, name);
  return selectProperties(wanted, [...commonLiveProperties, ...deadPropertyNames(xattrs)], elementOf);
}

/** The properties a PROPFIND wants: of `common` those that exist, of those asked for by name also which do not. */
function selectProperties(
  wanted: PropfindRequest,
  common: readonly PropertyName[],
  elementOf: (name: PropertyName) => string | null,
): string {
  if (wanted.type === 'propname') return propstat(200, bareNames(common.filter((name) => elementOf(name) !== null)));
  const found: string[] = [];
  const missing: PropertyName[] = [];
  const seen = new Set<string>();
  const add = (name: PropertyName, asked: boolean) => {
    const key = `${name.namespace} ${name.local}`;
    if (seen.has(key)) return;
    const element = elementOf(name);
    if (element === null && !asked) return;
    seen.add(key);
    if (element === null) missing.push(name);
    else found.push(element);
  };
  if (wanted.type === 'allprop') for (const name of common) add(name, false);
  for (const name of wanted.type === 'allprop' ? wanted.include : wanted.names) add(name, true);
  return propstat(200, found) + propstat(404, bareNames(missing));
}

/** The locks that a listing tells of, read once; not read at all where nobody asks. */
class LockTable {
  readonly #leases: readonly Lease[];
  readonly #nowMs: number;
  readonly #hrefOf: (lease: Lease) => string;

  private constructor(leases: readonly Lease[], nowMs: number, hrefOf: (lease: Lease) => string) {
    this.#leases = leases;
    this.#nowMs = nowMs;
    this.#hrefOf = hrefOf;
  }

  static async read(exchange: Exchange, target: Target, wanted: PropfindRequest, below: boolean): Promise<LockTable> {
    const { leases, clock } = exchange.dependencies;
    const asked =
      wanted.type === 'allprop' ||
      (wanted.type === 'prop' &&
        wanted.names.some((name) => name.namespace === davNamespace && name.local === 'lockdiscovery'));
    const found = asked ? await leases.covering(exchange.caller, target.tree.namespace.id, target.path, below) : [];
    return new LockTable(found, clock.nowMs(), (lease) => exchange.href(target, lease.path, lease.deep));
  }

  discovery(path: readonly string[]): string {
    if (this.#leases.length === 0) return '';
    const covering = this.#leases.filter(
      (lease) =>
        (lease.deep ? lease.path.length <= path.length : lease.path.length === path.length) &&
        lease.path.every((name, index) => name === path[index]),
    );
    return lockDiscovery(covering, this.#nowMs, this.#hrefOf);
  }
}
