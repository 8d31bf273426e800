import { expect, test } from 'vitest';
import type { Change, ChangeBatch } from '../../../protocol/changes.ts';
import { rootInodeOf } from '../../../protocol/ids.ts';
import type { Cursor, InodeId, NamespaceId } from '../../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { NewInode } from '../../../mount/replica/local-tree.ts';
import { openReplica } from '../../../mount/replica/replica.ts';
import type { Replica } from '../../../mount/replica/replica.ts';

const namespace = 'cd'.repeat(16) as NamespaceId;
const folder: NewInode = { kind: 'directory', mode: 0o755, uid: 1, gid: 2, rdev: 0, target: null };
const now = 1_763_800_000_000_000_000n;

function batch(cursor: number, changes: readonly Change[]): ChangeBatch {
  const nobody = { clientCommitId: null, author: null, device: null };
  return { cursor: cursor as Cursor, last: true, changes, timeMs: 0, ...nobody };
}

function commitAll(replica: Replica, cursor: number): void {
  const plan = replica.planCommit(100, 0);
  if (plan === undefined) throw new Error('there is nothing to commit');
  const outcomes = plan.operations.map(() => ({ type: 'applied' }) as const);
  replica.settle(plan, { cursor: cursor as Cursor, outcomes, corrections: [] }, []);
}

/**
 * `outer` is known to the server; a folder made in it is on its way there when both are removed here, and `outer` on
 * another device too. The kernel holds `outer` until after the commit is settled.
 */
test('a folder is kept while a removal inside of it waits to be told', async () => {
  const replica = openReplica({ path: ':memory:', namespace, clock: systemClock, randomness: systemRandomness });
  const root = rootInodeOf(namespace);
  const outer = replica.create(rootIno, 'outer', folder, now);
  commitAll(replica, 1);

  replica.create(outer.ino, 'inner', folder, now);
  const plan = replica.planCommit(100, 0);
  if (plan === undefined) throw new Error('the new folder is not planned');
  replica.hold(outer.ino);
  replica.removeDirectory(outer.ino, 'inner', now);
  replica.removeDirectory(rootIno, 'outer', now);
  const innerId = plan.operations.find((operation) => operation.type === 'create')?.inode as InodeId;
  const gone: Change[] = [
    { type: 'dentry', parent: root, name: 'outer', inode: null },
    { type: 'inodeGone', inode: outer.id },
  ];
  replica.applyRemote(batch(3, gone));
  const outcomes = plan.operations.map(() => ({ type: 'applied' }) as const);
  replica.settle(plan, { cursor: 2 as Cursor, outcomes, corrections: [] }, []);
  replica.release(outer.ino);

  const next = replica.planCommit(100, 0);
  expect(next?.operations.find((operation) => operation.type === 'unlink')).toMatchObject({
    ...{ parent: outer.id, name: 'inner', inode: innerId },
  });
  if (next === undefined) throw new Error('the removal is not planned');
  const refused = next.operations.map(() => ({ type: 'refused', reason: 'gone' }) as const);
  const corrections: Change[] = [{ type: 'dentry', parent: outer.id, name: 'inner', inode: null }];
  replica.settle(next, { cursor: 4 as Cursor, outcomes: refused, corrections }, [batch(4, [])]);
  replica.followRemote();
  expect(replica.planCommit(100, 0)).toBeUndefined();
  expect(replica.dirtySummary().entries).toBe(0);
  expect(replica.inode(outer.ino)).toBeUndefined();
  expect(replica.totals().inodes).toBe(1);
  await replica.close();
});
