import { DriveError } from '../../../protocol/errors.ts';
import type { Operation } from '../../../protocol/operations.ts';
import { parseDepth } from '../depth.ts';
import { mayOverwrite, parseDestination } from '../destination.ts';
import type { Exchange, Target } from '../exchange.ts';
import { requireUnlocked, withParent } from '../lock-guard.ts';
import { checkPreconditions } from '../preconditions.ts';
import { Refusal } from '../refusal.ts';
import { copyTree } from '../tree-copy.ts';
import { removeOperation, untilCommitted } from '../tree-commit.ts';
import type { Location } from '../tree-view.ts';

/** COPY (RFC 4918 §9.8): what clients see at the source, symlinks followed. No byte of content moves. */
export async function copy(exchange: Exchange): Promise<void> {
  const source = await exchange.treeTarget();
  const destination = await parseDestination(exchange);
  const deep = parseDepth(exchange, ['0', 'infinity']) === 'infinity';
  refuseOverlap(source, destination);
  const replacedSomething = await untilCommitted(exchange, async () => {
    const { shown } = await source.tree.require(source.path);
    const tokens = await checkPreconditions(exchange, source, shown);
    const { place, replaced } = await freeDestination(exchange, destination, tokens);
    await copyTree(exchange, {
      source,
      state: shown,
      deep,
      mode: 'shown',
      destination: destination.tree,
      place,
      replaced,
    });
    return replaced.length > 0;
  });
  exchange.finish(replacedSomething ? 204 : 201);
}

/** Where the copy goes and what has to go for it; the `Overwrite` header and the locks there allow it. */
export async function freeDestination(
  exchange: Exchange,
  destination: Target,
  tokens: ReadonlySet<string>,
): Promise<{ readonly place: NonNullable<Location['place']>; readonly replaced: readonly Operation[] }> {
  const { tree, path } = destination;
  const shownPath = `/${path.join('/')}`;
  const overwrite = mayOverwrite(exchange);
  const location = await tree.locate(path);
  if (location === null || location.place === null) {
    throw new DriveError('conflict', `the collection that is to hold "${shownPath}" does not exist`);
  }
  const { place, entry } = location;
  if (entry !== null && !overwrite) {
    throw new Refusal(412, `"${shownPath}" exists and Overwrite forbids to replace it`);
  }
  await requireUnlocked(exchange, withParent(destination, path, entry !== null), tokens);
  return { place, replaced: entry === null ? [] : [removeOperation(place, entry)] };
}

/**
 * Throws 403 where one end is the other or lies within it: to replace a destination around the source would remove the
 * source, and a copy into itself has no end.
 */
export function refuseOverlap(source: Target, destination: Target): void {
  if (source.tree.namespace.id !== destination.tree.namespace.id) return;
  const shorter = Math.min(source.path.length, destination.path.length);
  for (let index = 0; index < shorter; index++) if (source.path[index] !== destination.path[index]) return;
  throw new Refusal(403, 'the source and the Destination are the same, or one lies within the other');
}
