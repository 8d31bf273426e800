import type { InodeId } from '../../protocol/ids.ts';
import type { MoveOperation, Operation, UnlinkOperation } from '../../protocol/operations.ts';
import { moveRule, unlinkDirectoryRule, unlinkRule } from '../conflict-rules.ts';
import type { LeaveVerdict, Standing } from '../conflict-rules.ts';
import { applied } from './work.ts';
import type { Work } from './work.ts';
import type { Node } from './working-tree.ts';

/** Takes away every old name: the sources of moves, then what is removed. Nothing has a new name yet. */
export async function detachAll(work: Work): Promise<void> {
  for (const [at, operation] of work.operations.entries()) {
    if (operation.type === 'move') await leave(work, at, operation);
  }
  const directories = new Map<InodeId, number>();
  const whole: Node[] = [];
  for (const [at, operation] of work.operations.entries()) {
    if (operation.type !== 'unlink') continue;
    const node = await unlink(work, at, operation);
    if (node?.state.kind !== 'directory') continue;
    if (operation.recursive) whole.push(node);
    else directories.set(node.inode, at);
  }
  for (const node of whole) await detachBelow(work, node);
  await keepDirectoriesInUse(work, directories);
}

async function leave(work: Work, at: number, operation: MoveOperation): Promise<void> {
  const { tree } = work;
  const node = await tree.node(operation.inode);
  const verdict = moveRule({
    standing: standingOf(await tree.child(operation.from), operation.inode),
    alive: node !== null && tree.isAlive(node),
    arrived: (await tree.child(operation.to)) === operation.inode,
  });
  settle(work, at, verdict);
  if (verdict.type !== 'apply' || node === null) return;
  await tree.detach(node, operation.from, true);
}

/** Returns the inode whose name was taken away, if it was. */
async function unlink(work: Work, at: number, operation: UnlinkOperation): Promise<Node | null> {
  const { tree } = work;
  const node = await tree.node(operation.inode);
  const verdict = unlinkRule({
    standing: standingOf(await tree.child(operation), operation.inode),
    alive: node !== null && tree.isAlive(node),
    kind: node?.state.kind ?? 'file',
    head: node?.state.version ?? operation.base,
    base: operation.base,
  });
  settle(work, at, verdict);
  if (verdict.type !== 'apply' || node === null) return null;
  work.outcomes[at] = applied;
  await tree.detach(node, { parent: operation.parent, name: operation.name });
  return node;
}

/** Removes all below a removed directory; what this commit moves away from there has left already. */
async function detachBelow(work: Work, top: Node): Promise<void> {
  const waiting = [top.inode];
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    for (const entry of await work.tree.children(directory)) {
      const node = await work.tree.node(entry.inode);
      if (node === null) continue;
      await work.tree.detach(node, entry.place);
      if (node.state.kind === 'directory') waiting.push(node.inode);
    }
  }
}

/** Puts back each directory that would not be empty, from the innermost outwards. */
async function keepDirectoriesInUse(work: Work, directories: ReadonlyMap<InodeId, number>): Promise<void> {
  if (directories.size === 0) return;
  await work.tree.prefetchCounts([...directories.keys()]);
  const receiving = new Set(work.operations.flatMap(directoryGiven));
  const waiting = [...directories.keys()];
  for (let inode = waiting.pop(); inode !== undefined; inode = waiting.pop()) {
    const at = directories.get(inode);
    const node = await work.tree.node(inode);
    const operation = at === undefined ? undefined : work.operations[at];
    if (at === undefined || operation?.type !== 'unlink' || node === null || node.places.size > 0) continue;
    const entriesLeft = (await work.tree.childCount(inode)) + (receiving.has(inode) ? 1 : 0);
    const verdict = unlinkDirectoryRule({ entriesLeft });
    if (verdict.type === 'apply') continue;
    settle(work, at, verdict);
    await work.tree.attach(node, { parent: operation.parent, name: operation.name });
    waiting.push(operation.parent);
  }
}

/** The directory that an operation puts a name into. */
function directoryGiven(operation: Operation): readonly InodeId[] {
  if (operation.type === 'create' || operation.type === 'link') return [operation.parent];
  return operation.type === 'move' ? [operation.to.parent] : [];
}

function standingOf(child: InodeId | null, inode: InodeId): Standing {
  if (child === null) return 'nothing';
  return child === inode ? 'thisInode' : 'anotherInode';
}

/** Notes what is decided already; a move that may leave is decided where it arrives. */
function settle(work: Work, at: number, verdict: LeaveVerdict): void {
  if (verdict.type === 'already') work.outcomes[at] = applied;
  else if (verdict.type === 'refuse') work.outcomes[at] = { type: 'refused', reason: verdict.reason };
}
