import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { rootIno } from '../../mount/replica/local-inode.ts';
import type { NewInode } from '../../mount/replica/local-tree.ts';
import { openReplica } from '../../mount/replica/replica.ts';
import type { Replica } from '../../mount/replica/replica.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';

const namespace = 'cd'.repeat(16) as NamespaceId;
const file: NewInode = { kind: 'file', mode: 0o644, uid: 1, gid: 2, rdev: 0, target: null };
const now = 1_763_800_000_000_000_000n;
const wide = { delayMs: 60_000, changesMax: 1_000_000 };

describe('the totals of the replica', () => {
  let database: Database.Database;
  let replica: Replica;
  const open = () =>
    openReplica({ path: database, namespace, groupCommit: wide, clock: systemClock, randomness: systemRandomness });

  beforeEach(() => {
    database = new Database(':memory:');
    replica = open();
  });
  afterEach(() => replica.close());

  /** Lets the database refuse every statement of this kind from now on. */
  const refuse = (statement: string) =>
    database.exec(`create trigger refusal before ${statement} begin select raise(abort, 'refused by the test'); end`);

  test('lose no more than the size of a dirty file that is removed', () => {
    replica.contentChanged(replica.create(rootIno, 'kept', file, now).ino, 100, now);
    replica.contentChanged(replica.create(rootIno, 'removed', file, now).ino, 7, now);
    expect(replica.totals()).toEqual({ inodes: 3, bytes: 107 });
    replica.unlink(rootIno, 'removed', now);
    expect(replica.totals()).toEqual({ inodes: 2, bytes: 100 });
  });

  test('follow a file that shrinks, is replaced, or lives on while it is held', () => {
    const { ino } = replica.create(rootIno, 'a', file, now);
    replica.contentChanged(replica.create(rootIno, 'b', file, now).ino, 30, now);
    replica.contentChanged(ino, 1_000, now);
    replica.contentChanged(ino, 10, now);
    expect(replica.totals()).toEqual({ inodes: 3, bytes: 40 });
    replica.hold(ino);
    replica.rename({ parent: rootIno, name: 'b' }, { parent: rootIno, name: 'a' }, 'replace', now);
    expect(replica.totals()).toEqual({ inodes: 3, bytes: 40 });
    replica.release(ino);
    expect(replica.totals()).toEqual({ inodes: 2, bytes: 30 });
  });

  test('lose no more than the size of a dirty file that only a hold of the life before kept', async () => {
    const { ino } = replica.create(rootIno, 'a', file, now);
    replica.contentChanged(ino, 7, now);
    replica.hold(ino);
    replica.unlink(rootIno, 'a', now);
    await replica.durable();
    replica = open();
    expect(replica.totals()).toEqual({ inodes: 1, bytes: 0 });
  });

  test('do not count what a failed change undid', () => {
    const { ino } = replica.create(rootIno, 'a', file, now);
    replica.contentChanged(ino, 50, now);
    refuse('insert on dentries');
    expect(() => replica.create(rootIno, 'b', file, now)).toThrow('refused by the test');
    expect(replica.totals()).toEqual({ inodes: 2, bytes: 50 });
    database.exec('drop trigger refusal');
    refuse('update on dirty_inodes');
    expect(() => replica.contentChanged(ino, 90, now)).toThrow('refused by the test');
    expect(replica.inode(ino)?.size).toBe(50);
    expect(replica.totals()).toEqual({ inodes: 2, bytes: 50 });
  });

  test('are made up once for a replica that was kept before they were', async () => {
    replica.contentChanged(replica.create(rootIno, 'a', file, now).ino, 12, now);
    database.exec(`drop trigger if exists inodes_counted; drop trigger if exists inodes_uncounted;
      drop trigger if exists inodes_resized; drop table if exists totals`);
    await replica.durable();
    replica = open();
    expect(replica.totals()).toEqual({ inodes: 2, bytes: 12 });
    replica.contentChanged(replica.create(rootIno, 'b', file, now).ino, 3, now);
    expect(replica.totals()).toEqual({ inodes: 3, bytes: 15 });
  });
});
