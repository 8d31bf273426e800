import { expect, test } from 'vitest';
import type { NamespaceId } from '../../../protocol/ids.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { NewInode } from '../../../mount/replica/local-tree.ts';
import { openReplica } from '../../../mount/replica/replica.ts';
import type { Replica } from '../../../mount/replica/replica.ts';

const namespace = 'ef'.repeat(16) as NamespaceId;
const file: NewInode = { kind: 'file', mode: 0o644, uid: 1, gid: 2, rdev: 0, target: null };
const now = 1_763_800_000_000_000_000n;
const empty: Manifest = { profile: '', entries: [] };

const open = () => openReplica({ path: ':memory:', namespace, clock: systemClock, randomness: systemRandomness });

/** The names that the next commit would give. */
function planned(replica: Replica): string[] {
  const plan = replica.planCommit(100, 0);
  if (plan === undefined) return [];
  replica.abandonPlan(plan);
  return plan.operations.flatMap((operation) => (operation.type === 'create' ? [operation.name] : []));
}

test('a new file is sent with its content, not before', async () => {
  const replica = open();
  const { ino } = replica.create(rootIno, 'report', file, now);
  replica.create(rootIno, 'folder', { ...file, kind: 'directory' }, now);
  expect(planned(replica)).toEqual(['folder']);
  replica.contentChanged(ino, 5, now);
  expect(replica.dirtyContents(10)).toMatchObject([{ ino, size: 5 }]);
  replica.contentUploaded(ino, replica.contentSequence(ino), empty);
  expect(planned(replica).sort()).toEqual(['folder', 'report']);
  await replica.close();
});

test('an empty file is sent once it is known to be empty, and so is one that got its name late', async () => {
  const replica = open();
  const touched = replica.create(rootIno, 'touched', file, now);
  const unnamed = replica.createUnlinked(file, now);
  expect(replica.dirtyContents(10)).toMatchObject([{ ino: touched.ino, size: 0 }]);
  replica.link(unnamed.ino, rootIno, 'named', now);
  expect(planned(replica)).toEqual([]);
  for (const { ino, sequence } of replica.dirtyContents(10)) replica.contentUploaded(ino, sequence, empty);
  expect(planned(replica).sort()).toEqual(['named', 'touched']);
  await replica.close();
});
