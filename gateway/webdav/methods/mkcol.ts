import { DriveError } from '../../../protocol/errors.ts';
import type { Exchange } from '../exchange.ts';
import { requireUnlocked, withParent } from '../lock-guard.ts';
import { checkPreconditions } from '../preconditions.ts';
import { Refusal } from '../refusal.ts';
import { commitAll, createOperation, untilCommitted } from '../tree-commit.ts';

/** MKCOL (RFC 4918 §9.3). */
export async function mkcol(exchange: Exchange): Promise<void> {
  if (exchange.announcesBody) throw new Refusal(415, 'MKCOL takes no body');
  const target = await exchange.treeTarget();
  const { tree, path } = target;
  await untilCommitted(exchange, async () => {
    const location = await tree.locate(path);
    const tokens = await checkPreconditions(exchange, target, location?.shown ?? null);
    if (location === null)
      throw new DriveError('conflict', `the collection that is to hold "/${path.join('/')}" does not exist`);
    if (location.place === null || location.entry !== null) {
      throw new Refusal(405, `"/${path.join('/')}" exists already`);
    }
    await requireUnlocked(exchange, withParent(target, path, false), tokens);
    await commitAll(exchange, tree, [createOperation(exchange, location.place, { kind: 'directory' })]);
  });
  exchange.finish(201);
}
