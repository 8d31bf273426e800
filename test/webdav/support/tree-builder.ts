import { makeId, rootInodeOf } from '../../../protocol/ids.ts';
import type { InodeId } from '../../../protocol/ids.ts';
import type { InodeKind } from '../../../protocol/inode-state.ts';
import type { CreateOperation, Operation } from '../../../protocol/operations.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import type { StandUser } from './stand.ts';

/** Makes what only a mount can make, straight in the metadata. */
export async function create(
  user: StandUser,
  name: string,
  kind: InodeKind,
  more: Partial<CreateOperation> = {},
): Promise<InodeId> {
  const operation = createOperation(user, name, kind, more);
  await commit(user, [operation]);
  return operation.inode;
}

export function createOperation(
  user: StandUser,
  name: string,
  kind: InodeKind,
  more: Partial<CreateOperation> = {},
): CreateOperation {
  return {
    type: 'create',
    parent: rootInodeOf(user.namespace),
    name,
    inode: makeId(systemClock, systemRandomness),
    kind,
    mode: 0o644,
    uid: null,
    gid: null,
    mtimeNs: 0n,
    ctimeNs: 0n,
    rdev: 0,
    target: null,
    manifest: null,
    xattrs: new Map(),
    ...more,
  };
}

export async function commit(user: StandUser, operations: readonly Operation[]): Promise<void> {
  const clientCommitId = makeId<Parameters<typeof user.metadata.commit>[1]['clientCommitId']>(
    systemClock,
    systemRandomness,
  );
  await user.metadata.commit(user.namespace, { clientCommitId, operations, onConflict: 'refuse' });
}
