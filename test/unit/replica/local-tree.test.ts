import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { NewInode } from '../../../mount/replica/local-tree.ts';
import { openReplica } from '../../../mount/replica/replica.ts';
import type { Replica } from '../../../mount/replica/replica.ts';
import { DriveError } from '../../../protocol/errors.ts';
import type { NamespaceId } from '../../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';

const namespace = 'ab'.repeat(16) as NamespaceId;
const file: NewInode = { kind: 'file', mode: 0o644, uid: 1, gid: 2, rdev: 0, target: null };
const folder: NewInode = { ...file, kind: 'directory', mode: 0o755 };
const now = 1_763_800_000_123_456_789n;

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof DriveError) return error.code;
    throw error;
  }
  return undefined;
}

describe('the replica as a local tree', () => {
  let directory: string;
  let replica: Replica;
  const open = () =>
    openReplica({ path: join(directory, 'replica.db'), namespace, clock: systemClock, randomness: systemRandomness });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-replica-'));
    replica = open();
  });
  afterEach(async () => {
    await replica.close();
    rmSync(directory, { recursive: true });
  });

  test('keeps nanoseconds, beyond what a number can hold and before 1970', () => {
    const { ino } = replica.create(rootIno, 'a', file, now);
    expect(replica.inode(ino)?.mtimeNs).toBe(now);
    expect(replica.setAttributes(ino, { mtimeNs: -1_500_000_001n }, now).mtimeNs).toBe(-1_500_000_001n);
    expect(replica.inode(rootIno)?.mtimeNs).toBe(now);
  });

  test('counts links of files and of directories', () => {
    const d = replica.create(rootIno, 'd', folder, now).ino;
    replica.create(d, 'sub', folder, now);
    expect(replica.inode(d)?.nlink).toBe(3);
    expect(replica.inode(rootIno)?.nlink).toBe(3);
    const { ino } = replica.create(d, 'f', file, now);
    expect(replica.link(ino, rootIno, 'g', now).nlink).toBe(2);
    expect(replica.unlink(d, 'f', now).nlink).toBe(1);
    expect(replica.removeDirectory(d, 'sub', now).nlink).toBe(0);
    expect(replica.inode(d)?.nlink).toBe(2);
    expect(replica.pathOf(ino)).toBe('/g');
  });

  test('keeps positions in a directory valid while entries come and go', () => {
    for (const name of ['a', 'b', 'c', 'd']) replica.create(rootIno, name, file, now);
    const firstTwo = replica.list(rootIno, 0, 2);
    expect(firstTwo.map((entry) => entry.name)).toEqual(['a', 'b']);
    replica.unlink(rootIno, 'b', now);
    replica.create(rootIno, 'e', file, now);
    const rest = replica.list(rootIno, firstTwo[1]?.cookie ?? 0, 10);
    expect(rest.map((entry) => entry.name)).toEqual(['c', 'd', 'e']);
  });

  test('keeps an unlinked file while it is held, and not longer', () => {
    const { ino } = replica.create(rootIno, 'a', file, now);
    replica.hold(ino);
    expect(replica.unlink(rootIno, 'a', now).nlink).toBe(0);
    expect(replica.contentChanged(ino, 5, now).size).toBe(5);
    expect(replica.release(ino)).toBe(true);
    expect(replica.inode(ino)).toBeUndefined();
  });

  test('gives a file without a name one', () => {
    const { ino } = replica.createUnlinked(file, now);
    expect(replica.inode(ino)?.nlink).toBe(0);
    replica.link(ino, rootIno, 'named', now);
    expect(replica.release(ino)).toBe(false);
    expect(replica.lookup(rootIno, 'named')?.ino).toBe(ino);
  });

  test('answers with the errors of its contract', () => {
    const d = replica.create(rootIno, 'd', folder, now).ino;
    const sub = replica.create(d, 'sub', folder, now).ino;
    const { ino } = replica.create(rootIno, 'f', file, now);
    expect(codeOf(() => replica.create(rootIno, 'f', file, now))).toBe('exists');
    expect(codeOf(() => replica.create(ino, 'x', file, now))).toBe('notDirectory');
    expect(codeOf(() => replica.create(rootIno, '..', file, now))).toBe('invalidName');
    expect(codeOf(() => replica.create(rootIno, 'ä'.repeat(128), file, now))).toBe('nameTooLong');
    expect(codeOf(() => replica.unlink(rootIno, 'd', now))).toBe('isDirectory');
    expect(codeOf(() => replica.removeDirectory(rootIno, 'd', now))).toBe('notEmpty');
    expect(codeOf(() => replica.removeDirectory(rootIno, 'f', now))).toBe('notDirectory');
    expect(codeOf(() => replica.unlink(rootIno, 'none', now))).toBe('notFound');
    const into = { parent: sub, name: 'd' };
    expect(codeOf(() => replica.rename({ parent: rootIno, name: 'd' }, into, 'replace', now))).toBe('invalidArgument');
    expect(codeOf(() => replica.removeXattr(ino, 'user.x', now))).toBe('notFound');
  });

  test('exchanges a file and a folder', () => {
    const d = replica.create(rootIno, 'd', folder, now).ino;
    const inner = replica.create(d, 'f', file, now).ino;
    replica.create(rootIno, 'other', folder, now);
    replica.rename({ parent: d, name: 'f' }, { parent: rootIno, name: 'other' }, 'exchange', now);
    expect(replica.lookup(rootIno, 'other')?.ino).toBe(inner);
    expect(replica.lookup(d, 'f')?.kind).toBe('directory');
    expect(replica.inode(d)?.nlink).toBe(3);
    expect(replica.inode(rootIno)?.nlink).toBe(3);
  });

  test('finds everything again after it was closed, and gives no number twice', async () => {
    const { ino } = replica.create(rootIno, 'a', file, now);
    replica.setXattr(ino, 'user.colour', Buffer.from('blue'), 'any', now);
    replica.settings.set('bootId', 'b1');
    const before = replica.inode(ino);
    await replica.durable();
    await replica.close();
    replica = open();
    expect(replica.inode(ino)).toEqual(before);
    expect(replica.xattr(ino, 'user.colour')).toEqual(Buffer.from('blue'));
    expect(replica.settings.get('bootId')).toBe('b1');
    expect(replica.totals()).toEqual({ inodes: 2, bytes: 0 });
    expect(replica.create(rootIno, 'b', file, now).ino).toBeGreaterThan(ino);
  });
});
