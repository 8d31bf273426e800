import { isDriveError } from '../../protocol/errors.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import { etagOf, matchesStrongly, matchesWeakly, parseEtagList } from './etag.ts';
import type { Exchange, Target } from './exchange.ts';
import { parseHttpDate, wholeSecondMs } from './http-date.ts';
import { parseIfHeader } from './if-header.ts';
import type { IfCondition, IfList } from './if-header.ts';
import { Refusal } from './refusal.ts';
import { isOwnHost } from './destination.ts';

const noTokens: ReadonlySet<string> = new Set();

/**
 * Evaluates every precondition of the request against what stands at its target now (`null`: nothing), in the
 * order of RFC 9110 §13.2.2, then the `If` header of RFC 4918. Throws 412, or 304 for a read that found nothing new.
 * Returns the lock tokens that the `If` header submits.
 */
export async function checkPreconditions(
  exchange: Exchange,
  target: Target | null,
  shown: InodeState | null,
): Promise<ReadonlySet<string>> {
  checkHttpConditions(exchange, shown);
  const header = exchange.header('if');
  return header === undefined ? noTokens : checkIfHeader(exchange, target, header);
}

function checkHttpConditions(exchange: Exchange, shown: InodeState | null): void {
  const ifMatch = exchange.header('if-match');
  const ifNoneMatch = exchange.header('if-none-match');
  const reading = exchange.request.method === 'GET' || exchange.request.method === 'HEAD';
  if (ifMatch !== undefined) {
    if (!matchesAny(ifMatch, shown, matchesStrongly)) throw new Refusal(412, 'If-Match names another version');
  } else if (changedAfter(exchange.header('if-unmodified-since'), shown)) {
    throw new Refusal(412, 'it was changed after the date of If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined) {
    if (!matchesAny(ifNoneMatch, shown, matchesWeakly)) return;
    throw reading ? notModified(shown) : new Refusal(412, 'If-None-Match names what is there');
  }
  const since = exchange.header('if-modified-since');
  if (reading && shown !== null && parseHttpDate(since ?? '') !== null && !changedAfter(since, shown)) {
    throw notModified(shown);
  }
}

function matchesAny(
  header: string,
  shown: InodeState | null,
  matches: (one: string, other: string) => boolean,
): boolean {
  const wanted = parseEtagList(header);
  if (shown === null) return false;
  if (wanted === '*') return true;
  const etag = etagOf(shown);
  return etag !== null && wanted.some((tag) => matches(tag, etag));
}

/** Whether `shown` changed after the date of a header; a header that is no date counts as absent. */
function changedAfter(header: string | undefined, shown: InodeState | null): boolean {
  const sinceMs = header === undefined ? null : parseHttpDate(header);
  return sinceMs !== null && shown !== null && wholeSecondMs(shown.mtimeNs) > sinceMs;
}

function notModified(shown: InodeState | null): Refusal {
  const etag = shown === null ? null : etagOf(shown);
  return new Refusal(304, 'not modified', { headers: etag === null ? {} : { ETag: etag } });
}

async function checkIfHeader(exchange: Exchange, target: Target | null, header: string): Promise<ReadonlySet<string>> {
  const lists = parseIfHeader(header);
  const facts = new Map<string | null, Facts>();
  let held = false;
  for (const list of lists) {
    let known = facts.get(list.resource);
    if (known === undefined) facts.set(list.resource, (known = await factsOf(exchange, target, list)));
    const { etag, tokens } = known;
    held ||= list.conditions.every((condition) => holds(condition, etag, tokens));
  }
  if (!held) throw new Refusal(412, 'the If header does not hold');
  return tokensIn(lists);
}

/** The state that conditions are compared with. */
interface Facts {
  readonly etag: string | null;
  readonly tokens: ReadonlySet<string>;
}

const nothing: Facts = { etag: null, tokens: noTokens };

/** A resource that does not exist, or is not of this server, has no entity tag and only the locks above it. */
async function factsOf(exchange: Exchange, own: Target | null, list: IfList): Promise<Facts> {
  const target = list.resource === null ? own : await taggedTarget(exchange, list.resource);
  if (target === null) return nothing;
  const location = await target.tree.locate(target.path);
  const { leases } = exchange.dependencies;
  const covering = await leases.covering(exchange.caller, target.tree.namespace.id, target.path, false);
  return {
    etag: location === null || location.shown === null ? null : etagOf(location.shown),
    tokens: new Set(covering.map((lease) => lease.token)),
  };
}

async function taggedTarget(exchange: Exchange, url: string): Promise<Target | null> {
  if (!isOwnHost(exchange, url)) return null;
  try {
    return await exchange.target(url);
  } catch (error) {
    if (isDriveError(error, 'notFound')) return null;
    throw error;
  }
}

function holds(condition: IfCondition, etag: string | null, tokens: ReadonlySet<string>): boolean {
  const found =
    condition.type === 'token' ? tokens.has(condition.value) : etag !== null && matchesStrongly(condition.value, etag);
  return found !== condition.negated;
}

/** Every token that the header mentions is submitted (RFC 4918 §10.4.1), whether or not its list held. */
function tokensIn(lists: readonly IfList[]): ReadonlySet<string> {
  const conditions = lists.flatMap((list) => list.conditions);
  return new Set(conditions.filter(({ type }) => type === 'token').map(({ value }) => value));
}
