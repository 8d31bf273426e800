import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Change } from '../../../protocol/changes.ts';
import { rootInodeOf } from '../../../protocol/ids.ts';
import type { Cursor, InodeId, NamespaceId } from '../../../protocol/ids.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { ContentFiles } from '../../../mount/content/content-files.ts';
import type { ContentMove } from '../../../mount/replica/synced-tree.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { openReplica } from '../../../mount/replica/replica.ts';
import type { Replica } from '../../../mount/replica/replica.ts';

const namespace = '7a'.repeat(16) as NamespaceId;
const now = 1_763_800_000_000_000_000n;
const empty: Manifest = { profile: '', entries: [] };
const copyId = 'c'.repeat(32) as InodeId;
const copyPlace = { parent: rootInodeOf(namespace), name: 'report (a conflicted copy)' };

let directory: string;
let replica: Replica;
let files: ContentFiles;

function start(): void {
  const environment = { clock: systemClock, randomness: systemRandomness };
  replica = openReplica({ path: join(directory, 'replica.db'), namespace, ...environment });
  files = new ContentFiles({
    ...{ directory: join(directory, 'content'), cacheBytesMax: 2 ** 30, tree: replica, bootId: 'one boot' },
    ...{ unfinishedMoves: replica.unfinishedMoves(), clock: systemClock },
    hydrate: () => Promise.reject(new Error('all content is local here')),
  });
}

/** What the disk has after a kill that came right after a commit. */
async function killAndStart(): Promise<void> {
  await replica.close();
  files.ledger.close();
  start();
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-moves-'));
  start();
});
afterEach(async () => {
  await files.shutdown();
  await replica.close();
  rmSync(directory, { recursive: true });
});

function write(ino: Ino, text: string): void {
  const file = files.open(ino);
  file.truncate(0);
  file.write(0, Buffer.from(text));
  replica.contentChanged(ino, file.size, now);
  files.close(file);
}

function read(ino: Ino): string {
  const file = files.open(ino);
  const bytes = Buffer.alloc(file.size);
  file.read(0, bytes);
  files.close(file);
  return bytes.toString();
}

/** An edit that lost against a newer head, with bytes written after it was sent; nothing is moved yet. */
function loseAnEdit(): { readonly ino: Ino; readonly move: ContentMove } {
  const kind = { kind: 'file', mode: 0o644, uid: 1, gid: 2, rdev: 0, target: null } as const;
  const { ino } = replica.create(rootIno, 'report', kind, now);
  const commit = (cursor: number, lost: boolean) => {
    replica.contentUploaded(ino, replica.contentSequence(ino), empty);
    const plan = replica.planCommit(100, 0);
    if (plan === undefined) throw new Error('there is nothing to commit');
    if (lost) write(ino, 'written after the edit was sent');
    const outcomes = plan.operations.map(({ type }) =>
      lost && type === 'content'
        ? ({ type: 'conflictedCopy', inode: copyId, place: copyPlace } as const)
        : ({ type: 'applied' } as const),
    );
    const corrections: Change[] = lost ? [{ type: 'dentry', ...copyPlace, inode: copyId }] : [];
    return replica.settle(plan, { cursor: cursor as Cursor, outcomes, corrections }, []);
  };
  for (const { ino: drained, sequence, manifest } of commit(1, false).drained)
    files.drained(drained, sequence, manifest);
  write(ino, 'an edit');
  const [move] = commit(2, true).contentMoves;
  if (move === undefined) throw new Error('no content was to be moved');
  replica.durableNow();
  return { ino, move };
}

test('a kill between the settled commit and the move of the content loses no byte', async () => {
  const { move } = loseAnEdit();
  await killAndStart();
  expect(read(move.to)).toBe('written after the edit was sent');
  expect(replica.inode(move.to)?.contentDirty).toBe(true);
});

test('a move that was made is not made again, whatever its inode holds by then', async () => {
  const { ino, move } = loseAnEdit();
  files.move(move);
  write(ino, 'new content of the old name');
  await killAndStart();
  expect(read(move.to)).toBe('written after the edit was sent');
  expect(read(ino)).toBe('new content of the old name');
});
