import { DriveError } from '../../protocol/errors.ts';
import { versionZero } from '../../protocol/ids.ts';
import type { InodeId, Version } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import { manifestSize } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { CreateOperation, LinkOperation, MoveOperation, Outcome, Place } from '../../protocol/operations.ts';
import { arriveRule, createRule } from '../conflict-rules.ts';
import type { Occupant } from '../conflict-rules.ts';
import { applied, freePlace, usableDirectory } from './work.ts';
import type { Work } from './work.ts';
import type { Node } from './working-tree.ts';

export const emptyManifest: Manifest = { profile: '', entries: [] };

/** Makes the inodes that the commit creates; they have no names yet. */
export function makeInodes(work: Work): void {
  for (const operation of work.operations) {
    if (operation.type !== 'create') continue;
    const content = operation.kind === 'file' ? (operation.manifest ?? emptyManifest) : null;
    work.tree.add(newState(operation, content, work.cursor as number as Version), content);
  }
}

/** Gives every new name. Directories come before what is put into them. */
export async function attachAll(work: Work): Promise<void> {
  const made = new Map<InodeId, number>();
  for (const [at, operation] of work.operations.entries()) {
    if (operation.type === 'create' && operation.kind === 'directory') made.set(operation.inode, at);
  }
  for (const at of outermostFirst(work, made)) await arrive(work, at);
  for (const at of work.operations.keys()) await arrive(work, at);
}

/** The positions of the directories' creations, each after that of its parent. */
function outermostFirst(work: Work, made: ReadonlyMap<InodeId, number>): readonly number[] {
  const order: number[] = [];
  const placed = new Set<number>();
  for (const start of made.values()) {
    const chain: number[] = [];
    for (let at: number | undefined = start; at !== undefined && !placed.has(at);) {
      if (chain.length > made.size) throw new DriveError('invalidArgument', 'new folders contain each other');
      chain.push(at);
      const operation: unknown = work.operations[at];
      at = made.get((operation as CreateOperation).parent);
    }
    for (const at of chain.reverse()) {
      placed.add(at);
      order.push(at);
    }
  }
  return order;
}

async function arrive(work: Work, at: number): Promise<void> {
  const operation = work.operations[at];
  if (operation === undefined || work.outcomes[at] !== undefined) return;
  if (operation.type === 'create') work.outcomes[at] = await create(work, operation);
  else if (operation.type === 'link') work.outcomes[at] = await link(work, operation);
  else if (operation.type === 'move') work.outcomes[at] = await move(work, operation);
}

async function create(work: Work, operation: CreateOperation): Promise<Outcome> {
  const node = await work.tree.node(operation.inode);
  if (node === null) throw new DriveError('internal', 'a new inode was not made');
  const { directory, restored } = await usableDirectory(work, operation.parent);
  const place = { parent: directory, name: operation.name };
  const standing = await work.tree.child(place);
  const verdict = createRule({ kind: operation.kind, occupant: await occupantOf(work, standing, node) });
  if (verdict !== 'merge' || standing === null) return put(work, node, place, verdict === 'copy', restored);
  work.tree.drop(node);
  work.servedBy.set(node.inode, standing);
  return { type: 'merged', inode: standing };
}

async function link(work: Work, operation: LinkOperation): Promise<Outcome> {
  const node = await work.tree.node(operation.inode);
  if (node === null || !work.tree.isAlive(node)) {
    return { type: 'refused', reason: 'gone' };
  }
  if (node.state.kind === 'directory') throw new DriveError('isDirectory', 'a folder cannot have two names');
  const { directory, restored } = await usableDirectory(work, operation.parent);
  const place = { parent: directory, name: operation.name };
  const occupant = await occupantOf(work, await work.tree.child(place), node);
  const verdict = arriveRule({ occupant, cycle: false });
  if (verdict === 'already') return arrivedAt(node, place, restored);
  return put(work, node, place, verdict === 'copy', restored);
}

async function move(work: Work, operation: MoveOperation): Promise<Outcome> {
  const node = await work.tree.node(operation.inode);
  if (node === null) throw new DriveError('internal', 'an inode on its way was lost');
  const { directory, restored } = await usableDirectory(work, operation.to.parent);
  const place = { parent: directory, name: operation.to.name };
  const occupant = await occupantOf(work, await work.tree.child(place), node);
  const isDirectory = node.state.kind === 'directory';
  const verdict = arriveRule({ occupant, cycle: isDirectory && (await work.tree.isAtOrAbove(node.inode, directory)) });
  if (verdict === 'cycle') {
    await putBack(work, node, operation.from);
    return { type: 'refused', reason: 'cycle' };
  }
  if (verdict === 'already') return arrivedAt(node, place, restored);
  return put(work, node, place, verdict === 'copy', restored);
}

/** Gives the name, or the name of a conflicted copy where it is taken. */
async function put(work: Work, node: Node, place: Place, taken: boolean, restored: boolean): Promise<Outcome> {
  const free = taken ? await freePlace(work, place) : place;
  await work.tree.attach(node, free);
  if (taken) return { type: 'conflictedCopy', inode: node.inode, place: free };
  return arrivedAt(node, free, restored);
}

/** What stands in a folder that had to be brought back stands elsewhere than asked for, or is to be shown again there. */
function arrivedAt(node: Node, place: Place, restored: boolean): Outcome {
  return restored ? { type: 'restored', inode: node.inode, place } : applied;
}

/** Where a move was refused, the old name is given back: to the root if its folder has come to stand below it. */
async function putBack(work: Work, node: Node, from: Place): Promise<void> {
  const { directory } = await usableDirectory(work, from.parent);
  const below = await work.tree.isAtOrAbove(node.inode, directory);
  const place = { parent: below ? work.tree.root : directory, name: from.name };
  const taken = (await work.tree.child(place)) !== null;
  await put(work, node, place, taken, false);
}

async function occupantOf(work: Work, standing: InodeId | null, node: Node): Promise<Occupant> {
  if (standing === null) return 'nothing';
  if (standing === node.inode) return 'thisInode';
  return (await work.tree.node(standing))?.state.kind === 'directory' ? 'directory' : 'other';
}

function newState(operation: CreateOperation, content: Manifest | null, version: Version): InodeState {
  return {
    inode: operation.inode,
    kind: operation.kind,
    mode: operation.mode,
    uid: operation.uid,
    gid: operation.gid,
    mtimeNs: operation.mtimeNs,
    ctimeNs: operation.ctimeNs,
    size: content === null ? 0 : manifestSize(content),
    version: content === null ? versionZero : version,
    rdev: operation.rdev,
    target: operation.target,
    xattrs: operation.xattrs,
  };
}
