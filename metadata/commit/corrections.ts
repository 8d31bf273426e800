import type { Change } from '../../protocol/changes.ts';
import type { InodeId, Version } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import { limits } from '../../protocol/limits.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { Operation, Outcome, Place } from '../../protocol/operations.ts';
import type { TreeLoader } from './tree-loader.ts';
import type { Work } from './work.ts';
import { placeKey } from './working-tree.ts';

/** The truth, after the commit, about every place and inode named by an operation that was not simply applied. */
export async function correctionsOf(
  work: Work,
  outcomes: readonly Outcome[],
  loader: TreeLoader,
): Promise<readonly Change[]> {
  const places = new Map<string, Place>();
  const inodes = new Set<InodeId>();
  for (const [at, outcome] of outcomes.entries()) {
    const operation = work.operations[at];
    if (outcome.type === 'applied' || operation === undefined) continue;
    inodes.add(operation.inode);
    if ('inode' in outcome) inodes.add(outcome.inode);
    if ('place' in outcome) places.set(placeKey(outcome.place), outcome.place);
    for (const place of placesNamed(operation)) places.set(placeKey(place), place);
  }
  if (inodes.size === 0) return [];
  const changes: Change[] = [];
  const done = new Set<string>();
  // What is found is asked about in turn: who stands at a place, where an inode stands, and the folders above.
  for (const place of places.values()) inodes.add(place.parent);
  for (let fresh = true; fresh;) {
    fresh = false;
    for (const [key, place] of [...places]) {
      if (done.has(key)) continue;
      done.add(key);
      fresh = true;
      const inode = await work.tree.child(place);
      changes.push({ type: 'dentry', parent: place.parent, name: place.name, inode });
      if (inode !== null) inodes.add(inode);
      inodes.add(place.parent);
    }
    for (const inode of [...inodes]) {
      if (done.has(inode)) continue;
      done.add(inode);
      fresh = true;
      const node = await work.tree.node(inode);
      for (const [key, place] of node?.places ?? []) places.set(key, place);
    }
  }
  return [...changes, ...(await statesOf(work, inodes, loader))];
}

async function statesOf(work: Work, inodes: ReadonlySet<InodeId>, loader: TreeLoader): Promise<readonly Change[]> {
  const changes: Change[] = [];
  const asked: (readonly [InodeId, Version])[] = [];
  const states: { state: InodeState; content: Manifest | null }[] = [];
  for (const inode of inodes) {
    const node = await work.tree.node(inode);
    if (node === null || !work.tree.isAlive(node)) changes.push({ type: 'inodeGone', inode });
    else {
      states.push({ state: node.state, content: node.content });
      if (node.content === null && node.state.version > 0) asked.push([inode, node.state.version]);
    }
  }
  const stored = asked.length === 0 ? new Map<string, Manifest>() : await loader.inlineManifests(asked);
  for (const { state, content } of states) {
    const manifest = content ?? stored.get(`${state.inode}/${state.version}`) ?? null;
    const short = manifest !== null && manifest.entries.length <= limits.inlineManifestEntriesMax;
    changes.push({ type: 'inode', state, manifest: short ? manifest : null });
  }
  return changes;
}

function placesNamed(operation: Operation): readonly Place[] {
  if (operation.type === 'move') return [operation.from, operation.to];
  return 'parent' in operation ? [{ parent: operation.parent, name: operation.name }] : [];
}
