import type { Caller } from '../../protocol/accounts.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { Cursor, InodeId } from '../../protocol/ids.ts';
import { conflictedCopyName } from '../../protocol/names.ts';
import type { Operation, Outcome, Place } from '../../protocol/operations.ts';
import type { Node, WorkingTree } from './working-tree.ts';

/** One commit while it is worked out: what is wanted, what the tree becomes, and what came of each operation. */
export interface Work {
  readonly tree: WorkingTree;
  readonly caller: Caller;
  readonly operations: readonly Operation[];
  /** In the order of the operations; filled phase by phase. */
  readonly outcomes: (Outcome | undefined)[];
  /** The cursor this commit gets. */
  readonly cursor: Cursor;
  readonly timeMs: number;
  readonly makeInodeId: () => InodeId;
  /** Directories that another one serves for: merged ones, and removed ones whose place is held by a new one. */
  readonly servedBy: Map<InodeId, InodeId>;
}

export const applied: Outcome = { type: 'applied' };

/** A directory that entries can be put into. */
export interface UsableDirectory {
  readonly directory: InodeId;
  /** What was asked for had been removed, and is back or is another directory now. */
  readonly restored: boolean;
}

/**
 * The directory that `wanted` means: itself, the one it was merged into, or, where it was removed, itself back at
 * its last place with all folders above it, so that what is to be put there is not lost.
 */
export async function usableDirectory(work: Work, wanted: InodeId): Promise<UsableDirectory> {
  const chain: Node[] = [];
  let at = await requireDirectoryNode(work, work.servedBy.get(wanted) ?? wanted);
  while (!work.tree.isAlive(at) && !chain.includes(at)) {
    chain.push(at);
    const place = await work.tree.lastPlace(at);
    const above = place?.parent ?? work.tree.root;
    at = await requireDirectoryNode(work, work.servedBy.get(above) ?? above);
  }
  let parent = work.tree.isAlive(at) ? at.inode : work.tree.root;
  for (const node of chain.reverse()) parent = await restoreDirectory(work, node, parent);
  return { directory: parent, restored: chain.length > 0 || (parent !== wanted && !isMadeHere(work, wanted)) };
}

/** A folder made by the same commit that serves as another one was merged: who asked is told so by its own outcome. */
function isMadeHere(work: Work, inode: InodeId): boolean {
  return work.operations.some((operation) => operation.type === 'create' && operation.inode === inode);
}

/** Puts a removed directory back below `parent`, unless a directory stands there by now: that one serves instead. */
async function restoreDirectory(work: Work, node: Node, parent: InodeId): Promise<InodeId> {
  const name = (await work.tree.lastPlace(node))?.name ?? `restored ${node.inode}`;
  const occupant = await work.tree.child({ parent, name });
  const standing = occupant === null ? null : await work.tree.node(occupant);
  if (standing?.state.kind === 'directory') {
    work.servedBy.set(node.inode, standing.inode);
    return standing.inode;
  }
  await work.tree.attach(node, standing === null ? { parent, name } : await freePlace(work, { parent, name }));
  return node.inode;
}

async function requireDirectoryNode(work: Work, inode: InodeId): Promise<Node> {
  const node = await work.tree.node(inode);
  if (node === null) throw new DriveError('invalidArgument', `there is and was no folder ${inode}`);
  if (node.state.kind !== 'directory') throw new DriveError('notDirectory', `${inode} is not a folder`);
  return node;
}

/** The first free name for a conflicted copy beside `taken`. */
export async function freePlace(work: Work, taken: Place): Promise<Place> {
  for (let attempt = 1; ; attempt += 1) {
    const origin = { author: work.caller.userName, timeMs: work.timeMs, attempt };
    const place = { parent: taken.parent, name: conflictedCopyName(taken.name, origin) };
    if ((await work.tree.child(place)) === null) return place;
  }
}
