import { isDriveError } from '../../protocol/errors.ts';
import { makeId } from '../../protocol/ids.ts';
import type { Cursor, InodeId } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { CreateOperation, Operation, Place, UnlinkOperation } from '../../protocol/operations.ts';
import type { Exchange } from './exchange.ts';
import type { TreeView } from './tree-view.ts';

/** Commits all operations or none: whatever changed since they were made throws `conflict`. */
export async function commitAll(exchange: Exchange, tree: TreeView, operations: readonly Operation[]): Promise<Cursor> {
  const { clock, randomness } = exchange.dependencies;
  const result = await tree.metadata.commit(tree.namespace.id, {
    clientCommitId: makeId(clock, randomness),
    operations,
    onConflict: 'refuse',
  });
  return result.cursor;
}

/**
 * Runs `attempt` again while its commit meets a `conflict`, a bounded number of times. Each attempt must look at the
 * tree, the preconditions and the locks anew: so a request with preconditions fails by these, and one without any
 * wins in the end.
 */
export async function untilCommitted<Result>(exchange: Exchange, attempt: () => Promise<Result>): Promise<Result> {
  for (let count = 1; ; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isDriveError(error, 'conflict') || count >= exchange.limits.raceAttempts) throw error;
    }
  }
}

/** What a new inode has of its own; the rest is what this door gives all of them. */
export interface NewInode {
  readonly kind: 'file' | 'directory';
  readonly manifest?: Manifest | null;
  readonly mtimeNs?: bigint;
}

/** Makes a file or directory owned by whoever looks: WebDAV knows no numeric users and no modes. */
export function createOperation(exchange: Exchange, place: Place, inode: NewInode): CreateOperation {
  const { clock, randomness } = exchange.dependencies;
  const nowNs = clock.nowNs();
  return {
    type: 'create',
    ...place,
    inode: makeId<InodeId>(clock, randomness),
    kind: inode.kind,
    mode: inode.kind === 'directory' ? 0o755 : 0o644,
    uid: null,
    gid: null,
    mtimeNs: inode.mtimeNs ?? nowNs,
    ctimeNs: nowNs,
    rdev: 0,
    target: null,
    manifest: inode.manifest ?? null,
    xattrs: new Map(),
  };
}

/** Takes away what stands at `place`, with all below it; refused if a file has newer content than `entry`. */
export function removeOperation(place: Place, entry: InodeState): UnlinkOperation {
  return {
    type: 'unlink',
    ...place,
    inode: entry.inode,
    base: entry.version,
    recursive: entry.kind === 'directory',
  };
}
