import { DriveError } from '../../../protocol/errors.ts';
import type { Exchange } from '../exchange.ts';
import { requireUnlocked, withParent } from '../lock-guard.ts';
import { checkPreconditions } from '../preconditions.ts';
import { Refusal } from '../refusal.ts';
import { commitAll, removeOperation, untilCommitted } from '../tree-commit.ts';

/**
 * DELETE (RFC 4918 §9.6): the whole tree in one commit, or nothing, so no 207 is ever needed. A symlink is removed, not
 * what it leads to.
 */
export async function deleteResource(exchange: Exchange): Promise<void> {
  const depth = exchange.header('depth')?.trim().toLowerCase() ?? 'infinity';
  const target = await exchange.treeTarget();
  const { tree, path } = target;
  await untilCommitted(exchange, async () => {
    const { place, entry, shown } = await tree.require(path);
    const tokens = await checkPreconditions(exchange, target, shown);
    if (place === null || entry === null) throw new Refusal(403, 'a namespace cannot be deleted here');
    if (depth !== 'infinity' && entry.kind === 'directory') {
      throw new DriveError('invalidArgument', 'a collection is deleted with Depth infinity only');
    }
    await requireUnlocked(exchange, withParent(target, path, true), tokens);
    await commitAll(exchange, tree, [removeOperation(place, entry)]);
  });
  await exchange.dependencies.leases.dropUnder(exchange.caller, tree.namespace.id, path);
  exchange.finish(204);
}
