import { DriveError } from '../../../protocol/errors.ts';
import type { Exchange } from '../exchange.ts';
import { checkPreconditions } from '../preconditions.ts';
import { Refusal } from '../refusal.ts';

/** UNLOCK (RFC 4918 §9.11), on the lock's root or on anything it covers. */
export async function unlock(exchange: Exchange): Promise<void> {
  const token = /^\s*<([^<>\s]+)>\s*$/.exec(exchange.header('lock-token') ?? '')?.[1];
  if (token === undefined)
    throw new DriveError('invalidArgument', 'UNLOCK needs a Lock-Token header of the form "<token>"');
  const target = await exchange.treeTarget();
  const { tree, path } = target;
  const { leases } = exchange.dependencies;
  const location = await tree.locate(path);
  await checkPreconditions(exchange, target, location?.shown ?? null);
  const covering = await leases.covering(exchange.caller, tree.namespace.id, path, false);
  if (!covering.some((lease) => lease.token === token)) {
    throw new Refusal(409, 'no lock of that token is here', { condition: 'lock-token-matches-request-uri' });
  }
  await leases.release(exchange.caller, tree.namespace.id, token);
  exchange.finish(204);
}
