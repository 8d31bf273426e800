import type { ChangeBatch } from '../../../protocol/changes.ts';
import type { InodeId } from '../../../protocol/ids.ts';
import type { InodeState } from '../../../protocol/inode-state.ts';
import type { Place } from '../../../protocol/operations.ts';

export interface Standing {
  readonly place: Place;
  readonly inode: InodeId;
}

/** What the reference keeps of an inode. */
export type SeenState = Pick<InodeState, 'inode' | 'kind' | 'version' | 'size' | 'mode'>;

/** The plainest tree there can be: a replica that believes the changefeed, and the reference for a commit. */
export class TreeView {
  readonly root: InodeId;
  readonly inodes = new Map<InodeId, SeenState>();
  readonly places = new Map<string, Standing>();

  constructor(root: InodeId) {
    this.root = root;
  }

  copy(): TreeView {
    const copy = new TreeView(this.root);
    for (const [inode, state] of this.inodes) copy.inodes.set(inode, state);
    for (const [key, standing] of this.places) copy.places.set(key, standing);
    return copy;
  }

  apply(batches: readonly ChangeBatch[]): void {
    for (const { changes } of batches) {
      for (const change of changes) {
        if (change.type === 'inode') this.inodes.set(change.state.inode, change.state);
        else if (change.type === 'inodeGone') this.inodes.delete(change.inode);
        else if (change.inode === null) this.places.delete(keyOf(change));
        else this.put(change, change.inode);
      }
    }
  }

  put(place: Place, inode: InodeId): void {
    this.places.set(keyOf(place), { place: { parent: place.parent, name: place.name }, inode });
  }

  at(place: Place): InodeId | undefined {
    return this.places.get(keyOf(place))?.inode;
  }

  below(directory: InodeId): readonly Standing[] {
    const found: Standing[] = [];
    for (const standing of this.places.values()) {
      if (standing.place.parent !== directory) continue;
      found.push(standing, ...this.below(standing.inode));
    }
    return found;
  }

  /** Every path with what stands there; throws if the tree is not one. */
  dump(): readonly string[] {
    const lines = new Map<string, string>();
    const walk = (directory: InodeId, prefix: string, depth: number) => {
      if (depth > 50) throw new Error('folders contain each other');
      for (const { place, inode } of this.places.values()) {
        if (place.parent !== directory) continue;
        const state = this.inodes.get(inode);
        if (state === undefined) throw new Error(`${prefix}${place.name} leads to nothing`);
        lines.set(`${prefix}${place.name}`, lineOf(`${prefix}${place.name}`, state));
        if (state.kind === 'directory') walk(inode, `${prefix}${place.name}/`, depth + 1);
      }
    };
    walk(this.root, '', 0);
    if (lines.size !== this.places.size) throw new Error('a name cannot be reached from the root');
    const named = new Set([this.root, ...[...this.places.values()].map((standing) => standing.inode)]);
    for (const inode of this.inodes.keys()) if (!named.has(inode)) throw new Error(`${inode} has no name`);
    return [...lines.values()].sort();
  }
}

export function lineOf(path: string, state: SeenState): string {
  return `${path} ${state.kind} ${state.inode} v${state.version} ${state.size} ${state.mode.toString(8)}`;
}

function keyOf(place: Place): string {
  return `${place.parent}/${place.name}`;
}
