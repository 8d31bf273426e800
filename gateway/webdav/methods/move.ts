import { DriveError } from '../../../protocol/errors.ts';
import { roleSuffices } from '../../../protocol/roles.ts';
import { parseDestination } from '../destination.ts';
import type { Exchange, Target } from '../exchange.ts';
import { requireUnlocked, withParent } from '../lock-guard.ts';
import { checkPreconditions } from '../preconditions.ts';
import { Refusal } from '../refusal.ts';
import { commitAll, removeOperation, untilCommitted } from '../tree-commit.ts';
import { copyTree } from '../tree-copy.ts';
import type { Location } from '../tree-view.ts';
import { freeDestination, refuseOverlap } from './copy.ts';

/**
 * MOVE (RFC 4918 §9.9): within a namespace one commit, whatever the size of the tree. To another namespace an exact copy, then
 * a delete. A symlink is moved, not what it leads to. Locks stay behind and end.
 */
export async function move(exchange: Exchange): Promise<void> {
  const source = await exchange.treeTarget();
  const destination = await parseDestination(exchange);
  if (/^[01]$/.test(exchange.header('depth')?.trim() ?? '')) {
    throw new DriveError('invalidArgument', 'a MOVE takes all below along: its Depth can only be infinity');
  }
  if (source.path.length === 0) throw new Refusal(403, 'a namespace cannot be moved');
  refuseOverlap(source, destination);
  const within = source.tree.namespace.id === destination.tree.namespace.id;
  const replacedSomething = await untilCommitted(exchange, () =>
    within ? moveWithin(exchange, source, destination) : moveAcross(exchange, source, destination),
  );
  await exchange.dependencies.leases.dropUnder(exchange.caller, source.tree.namespace.id, source.path);
  exchange.finish(replacedSomething ? 204 : 201);
}

async function moveWithin(exchange: Exchange, source: Target, destination: Target): Promise<boolean> {
  const { from, entry, tokens } = await movable(exchange, source);
  const { place: to, replaced } = await freeDestination(exchange, destination, tokens);
  await commitAll(exchange, source.tree, [...replaced, { type: 'move', inode: entry.inode, from, to }]);
  return replaced.length > 0;
}

/** If the source changed while it was copied, the delete is not done: the conflict starts all over. */
async function moveAcross(exchange: Exchange, source: Target, destination: Target): Promise<boolean> {
  const { tree } = source;
  if (!roleSuffices(tree.namespace.role, 'write')) {
    throw new DriveError('forbidden', `you may only read "${tree.namespace.name}": copy from there instead`);
  }
  const before = await tree.metadata.namespace(tree.namespace.id);
  const { from, entry, tokens } = await movable(exchange, source);
  const { place, replaced } = await freeDestination(exchange, destination, tokens);
  const plan = {
    source,
    state: entry,
    deep: true,
    mode: 'exact',
    destination: destination.tree,
    place,
    replaced,
  } as const;
  await copyTree(exchange, plan);
  const after = await tree.metadata.namespace(tree.namespace.id);
  if (after.cursor !== before.cursor) {
    throw new Refusal(409, 'the source changed while it was moved: all of it was copied and nothing was deleted');
  }
  await commitAll(exchange, tree, [removeOperation(from, entry)]);
  return replaced.length > 0;
}

interface Movable {
  readonly from: NonNullable<Location['place']>;
  readonly entry: NonNullable<Location['entry']>;
  readonly tokens: ReadonlySet<string>;
}

async function movable(exchange: Exchange, source: Target): Promise<Movable> {
  const { place, entry, shown } = await source.tree.require(source.path);
  const tokens = await checkPreconditions(exchange, source, shown);
  if (place === null || entry === null) throw new Refusal(403, 'a namespace cannot be moved');
  await requireUnlocked(exchange, withParent(source, source.path, true), tokens);
  return { from: place, entry, tokens };
}
