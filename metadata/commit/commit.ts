import { sql } from 'kysely';
import type { Caller } from '../../protocol/accounts.ts';
import type { Clock, Randomness } from '../../protocol/environment.ts';
import { DriveError } from '../../protocol/errors.ts';
import { makeId } from '../../protocol/ids.ts';
import type { Cursor, InodeId, NamespaceId } from '../../protocol/ids.ts';
import type { CommitRequest, CommitResult, Operation, Outcome, Place } from '../../protocol/operations.ts';
import { requireRole } from '../access.ts';
import type { NamespaceAccess } from '../access.ts';
import type { Announcements } from '../announcements.ts';
import { markAt, requireMark } from '../commit-mark.ts';
import type { Database, Session } from '../database.ts';
import { attachAll, makeInodes } from './attach.ts';
import { checkBlocks } from './check-blocks.ts';
import { checkRequest } from './check-request.ts';
import { setContentsAndAttributes } from './contents.ts';
import { correctionsOf } from './corrections.ts';
import { detachAll } from './detach.ts';
import { decodeResult, encodeResult } from './result-codec.ts';
import { TreeLoader } from './tree-loader.ts';
import { applied } from './work.ts';
import type { Work } from './work.ts';
import { placeKey, WorkingTree } from './working-tree.ts';
import { writeChanges } from './write.ts';

/** What commits are made with. */
export interface Committer {
  readonly database: Database;
  readonly announcements: Announcements;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** Applies one batch, as `Metadata.commit` promises: one transaction that holds the namespace's row from its start. */
export async function commit(
  committer: Committer,
  caller: Caller,
  namespace: NamespaceId,
  request: CommitRequest,
): Promise<CommitResult> {
  checkRequest(request);
  const { result, before } = await committer.database.transaction(async (session) => {
    const access = await requireRole(session, caller, namespace, 'write', 'lock');
    const done = await session.first(
      sql<{ result: string }>`select result from commit_results
        where namespace = ${namespace} and client_commit_id = ${request.clientCommitId}`,
    );
    if (done === undefined && request.after !== undefined) {
      await requireMark(session, access, request.after.cursor, request.after.mark);
    }
    const result =
      done === undefined ? await apply(committer, session, caller, access, request) : decodeResult(done.result);
    const mark = await markAt(session, namespace, result.cursor);
    return {
      result: mark === undefined ? result : { ...result, mark },
      before: done === undefined ? access.cursor : null,
    };
  });
  if (before !== null && result.cursor !== before) {
    committer.announcements.announce({ namespace, cursor: result.cursor });
  }
  return result;
}

async function apply(
  committer: Committer,
  session: Session,
  caller: Caller,
  access: NamespaceAccess,
  request: CommitRequest,
): Promise<CommitResult> {
  await checkBlocks(session, caller, access.id, request.operations);
  const loader = new TreeLoader(session, access.id);
  const work: Work = {
    tree: new WorkingTree(access.id, loader),
    caller,
    operations: request.operations,
    outcomes: new Array<Outcome | undefined>(request.operations.length).fill(undefined),
    cursor: (access.cursor + 1) as Cursor,
    timeMs: committer.clock.nowMs(),
    makeInodeId: () => makeId<InodeId>(committer.clock, committer.randomness),
    servedBy: new Map(),
  };
  const outcomes = await workOut(work);
  if (request.onConflict === 'refuse') refuseConflicts(request.operations, outcomes);
  const changed = await writeChanges(session, work, access, request);
  const cursor = changed ? work.cursor : access.cursor;
  const result = { cursor, outcomes, corrections: await correctionsOf(work, outcomes, loader) };
  await session.query(
    sql`insert into commit_results (namespace, client_commit_id, result)
      values (${access.id}, ${request.clientCommitId}, ${encodeResult(result)})`,
  );
  if (changed) await committer.announcements.tellOthers(session, { namespace: access.id, cursor });
  return result;
}

/** The phases of a commit, in the order that `CommitRequest` promises. */
async function workOut(work: Work): Promise<readonly Outcome[]> {
  await prefetch(work);
  makeInodes(work);
  await detachAll(work);
  await attachAll(work);
  await setContentsAndAttributes(work);
  await reviewRemovals(work);
  return work.outcomes.map((outcome) => outcome ?? applied);
}

async function prefetch(work: Work): Promise<void> {
  const inodes = new Set<InodeId>();
  const places: Place[] = [];
  const movedInto = new Set<InodeId>();
  for (const operation of work.operations) {
    inodes.add(operation.inode);
    if (operation.type === 'move') {
      if (operation.inode === work.tree.root) throw new DriveError('invalidArgument', 'the root cannot be moved');
      places.push(operation.from, operation.to);
      if (operation.from.parent !== operation.to.parent) movedInto.add(operation.to.parent);
    } else if ('parent' in operation) places.push({ parent: operation.parent, name: operation.name });
  }
  await work.tree.prefetch(inodes, places, [...movedInto]);
}

/** A removal that a later phase had to undo (a restored file needed the folder) was refused after all. */
async function reviewRemovals(work: Work): Promise<void> {
  const given = new Set(work.operations.flatMap(placeGiven).map(placeKey));
  for (const [at, operation] of work.operations.entries()) {
    if (operation.type !== 'unlink' || work.outcomes[at] !== applied || given.has(placeKey(operation))) continue;
    if ((await work.tree.child(operation)) !== operation.inode) continue;
    work.outcomes[at] = { type: 'refused', reason: 'editWins' };
  }
}

function placeGiven(operation: Operation): readonly Place[] {
  if (operation.type === 'create' || operation.type === 'link') return [operation];
  return operation.type === 'move' ? [operation.to] : [];
}

function refuseConflicts(operations: readonly Operation[], outcomes: readonly Outcome[]): void {
  const at = outcomes.findIndex((outcome) => outcome.type !== 'applied');
  const operation = operations[at];
  if (operation === undefined) return;
  const name = operation.type === 'move' ? operation.to.name : 'name' in operation ? operation.name : operation.inode;
  throw new DriveError('conflict', `"${name}" was changed by somebody else meanwhile; look again and retry`);
}
