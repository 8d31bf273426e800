import { expect, test } from 'vitest';
import type { NamespaceId } from '../../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { NewInode } from '../../../mount/replica/local-tree.ts';
import { openReplica } from '../../../mount/replica/replica.ts';
import { filesAt, inodeAt } from '../../../mount/replica/tree-walk.ts';

const namespace = 'ef'.repeat(16) as NamespaceId;
const file: NewInode = { kind: 'file', mode: 0o644, uid: 1, gid: 2, rdev: 0, target: null };
const directory: NewInode = { ...file, kind: 'directory', mode: 0o755 };
const now = 1_763_800_000_000_000_000n;

test('a pin covers a file, what is below a folder, whatever name leads there, and goes with its inode', async () => {
  const replica = openReplica({ path: ':memory:', namespace, clock: systemClock, randomness: systemRandomness });
  const { pins } = replica;
  const outer = replica.create(rootIno, 'outer', directory, now).ino;
  const inner = replica.create(outer, 'inner', directory, now).ino;
  const deep = replica.create(inner, 'deep', file, now).ino;
  const other = replica.create(rootIno, 'other', file, now).ino;
  expect([pins.isEmpty, pins.rootOf(deep)]).toEqual([true, undefined]);
  pins.add(outer);
  pins.add(outer);
  expect([deep, inner, outer, other, rootIno].map((ino) => pins.rootOf(ino))).toEqual([
    ...[outer, outer, outer],
    ...[undefined, undefined],
  ]);
  replica.link(other, inner, 'also', now);
  expect(pins.rootOf(other)).toBe(outer);
  replica.unlink(inner, 'also', now);
  expect(pins.rootOf(other)).toBeUndefined();
  expect([pins.remove(deep), pins.remove(outer), pins.isEmpty]).toEqual([false, true, true]);
  pins.add(other);
  replica.unlink(rootIno, 'other', now);
  expect(pins.roots()).toEqual([]);
  pins.add(rootIno);
  expect(pins.rootOf(deep)).toBe(rootIno);
  await replica.close();
});

test('a walk finds every file below a folder, and a path the inode it leads to', async () => {
  const replica = openReplica({ path: ':memory:', namespace, clock: systemClock, randomness: systemRandomness });
  const inner = replica.create(rootIno, 'inner', directory, now).ino;
  const many = Array.from({ length: 600 }, (_, at) => replica.create(inner, `file ${at}`, file, now).ino);
  replica.create(inner, 'link', { ...file, kind: 'symlink', target: 'x' }, now);
  const top = replica.create(rootIno, 'top', file, now).ino;
  expect([...filesAt(replica, rootIno)].map(({ ino }) => ino).sort((a, b) => a - b)).toEqual([...many, top]);
  expect([...filesAt(replica, top)].map(({ ino }) => ino)).toEqual([top]);
  expect([inodeAt(replica, '').ino, inodeAt(replica, 'inner/file 7').ino]).toEqual([rootIno, many[7]]);
  expect(() => inodeAt(replica, 'top/file 7')).toThrow('there is no top/file 7');
  await replica.close();
});
