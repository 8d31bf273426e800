import { expect, test } from 'vitest';
import type { NamespaceId } from '../../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { NewInode } from '../../../mount/replica/local-tree.ts';
import { openReplica } from '../../../mount/replica/replica.ts';

const namespace = 'ef'.repeat(16) as NamespaceId;
const file: NewInode = { kind: 'file', mode: 0o644, uid: 1, gid: 2, rdev: 0, target: null };
const now = 1_763_800_000_000_000_000n;
const names = 10_000;

// Work that grows with the square of the names would take an hour here.
test('a file with 10,000 new names is planned name by name, in the order they were given', async () => {
  const replica = openReplica({ path: ':memory:', namespace, clock: systemClock, randomness: systemRandomness });
  const { ino } = replica.create(rootIno, 'name 0', file, now);
  for (let i = 1; i < names; i += 1) replica.link(ino, rootIno, `name ${i}`, now);
  expect(replica.inode(ino)?.nlink).toBe(names);
  replica.contentUploaded(ino, replica.contentSequence(ino), { profile: '', entries: [] });
  const plan = replica.planCommit(names, 0);
  expect(plan?.operations.map((each) => ('name' in each ? `${each.type} ${each.name}` : each.type))).toEqual(
    Array.from({ length: names }, (_, i) => `${i === 0 ? 'create' : 'link'} name ${i}`),
  );
  await replica.close();
}, 60_000);
