import type { Lease } from '../../protocol/leases.ts';
import type { Exchange, Target } from './exchange.ts';
import { Refusal } from './refusal.ts';

/** A part of the tree that a request is about to change. */
export interface TouchedPath {
  readonly target: Target;
  readonly path: readonly string[];
  /** Whether all below it is touched too, by a removal or a move. */
  readonly below: boolean;
}

/**
 * Throws 423 unless the request submitted, for each lock on what it touches, the lock's token, and the lock is the
 * caller's own (RFC 4918 §6.4, §7). Where shared locks cover a path, one of their tokens is enough.
 *
 * Locks are kept on URL paths: a file that several names or symlinks lead to is locked under the name given only. A
 * lock taken between this check and the commit that follows does not stop that commit.
 */
export async function requireUnlocked(
  exchange: Exchange,
  touched: readonly TouchedPath[],
  tokens: ReadonlySet<string>,
): Promise<void> {
  const standing: string[] = [];
  for (const { target, path, below } of touched) {
    const { leases } = exchange.dependencies;
    const covering = await leases.covering(exchange.caller, target.tree.namespace.id, path, below);
    const held = (lease: Lease) => tokens.has(lease.token) && lease.userName === exchange.caller.userName;
    for (const group of groupsToHold(covering, path)) {
      if (group.some(held)) continue;
      standing.push(...group.map((lease) => exchange.href(target, lease.path, lease.deep)));
    }
  }
  if (standing.length === 0) return;
  throw new Refusal(423, 'it is locked: ask whoever holds the lock to release it, or wait until it expires', {
    condition: 'lock-token-submitted',
    hrefs: [...new Set(standing)],
  });
}

/** Groups of leases of each of which one must be held: those that cover `path` together, and those below it place by place. */
function groupsToHold(leases: readonly Lease[], path: readonly string[]): Lease[][] {
  const groups = new Map<string, Lease[]>();
  for (const lease of leases) {
    const key = lease.path.length <= path.length ? '' : lease.path.join('/');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [lease]);
    else group.push(lease);
  }
  return [...groups.values()];
}

/** `path` and, because a name appears in it or vanishes from it, the directory around it. */
export function withParent(target: Target, path: readonly string[], below: boolean): TouchedPath[] {
  const own = { target, path, below };
  return path.length === 0 ? [own] : [own, { target, path: path.slice(0, -1), below: false }];
}
