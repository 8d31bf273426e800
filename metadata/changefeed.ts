import { sql } from 'kysely';
import type { Caller } from '../protocol/accounts.ts';
import type { Change, ChangeBatch } from '../protocol/changes.ts';
import { DriveError } from '../protocol/errors.ts';
import { isPosition } from '../protocol/ids.ts';
import type { ClientCommitId, CommitMark, Cursor, DeviceId, NamespaceId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { requireRole } from './access.ts';
import { ChangeRows } from './change-rows.ts';
import { markAt, markOf, requireMark } from './commit-mark.ts';
import type { Database } from './database.ts';

interface CommitRow {
  readonly cursor: Cursor;
  readonly client_commit_id: ClientCommitId | null;
  readonly author: string | null;
  readonly device: DeviceId | null;
  readonly time_ms: number;
  readonly changes: number;
}

/** Commits looked at together, so that a long catch-up of small commits costs few statements. */
const commitsPerWindowMax = 500;

/**
 * The changefeed, as `Metadata.changes` promises. It holds no transaction while the reader takes its time: rows
 * of cursors up to `upTo` no longer change, so pages read one after the other fit together.
 */
export async function* changesAfter(
  database: Database,
  caller: Caller,
  namespace: NamespaceId,
  after: Cursor,
  upTo?: Cursor,
  mark?: CommitMark,
): AsyncGenerator<ChangeBatch> {
  if (!isPosition(after) || (upTo !== undefined && !isPosition(upTo))) {
    throw new DriveError('invalidArgument', 'a cursor is a whole number from 0');
  }
  const rows = new ChangeRows(database, namespace);
  const checked = async () => {
    const access = await database.read((session) => requireRole(session, caller, namespace, 'read'));
    if (after > access.cursor || (after > 0 && after < access.horizon)) {
      throw new DriveError('gone', `the history of "${access.name}" does not hold cursor ${after}; start again from 0`);
    }
    return access;
  };
  const access = await checked();
  if (mark !== undefined) await database.read((session) => requireMark(session, access, after, mark));
  const end = Math.min(upTo ?? Number.MAX_SAFE_INTEGER, access.cursor) as Cursor;
  if (after === 0) {
    if (end === 0) return;
    const standing = await database.read((session) => markAt(session, namespace, end));
    yield* snapshot(rows, end, standing, async () => {
      const { horizon, name } = await checked();
      if (end < horizon)
        throw new DriveError('gone', `the history of "${name}" was cut while it was read; start again`);
    });
    return;
  }
  for (let at = after; at < end;) {
    const { horizon } = await checked();
    if (at < horizon) throw new DriveError('gone', 'history was cut while it was read; start again from 0');
    const window = await nextWindow(database, namespace, at, end);
    const last = window.at(-1);
    if (last === undefined) throw new DriveError('internal', `the commit after cursor ${at} is missing`);
    if (window.length === 1 && last.changes > limits.changesPerBatchMax) yield* largeCommit(rows, last);
    else yield* smallCommits(rows, at, window);
    at = last.cursor;
  }
}

/** The next commits whose changes fit into one batch together; at least one. */
async function nextWindow(
  database: Database,
  namespace: NamespaceId,
  after: Cursor,
  end: Cursor,
): Promise<readonly CommitRow[]> {
  const commits = await database.read((session) =>
    session.query(
      sql<CommitRow>`select cursor, client_commit_id, author, device, time_ms, changes from commits
        where namespace = ${namespace} and cursor > ${after} and cursor <= ${end}
        order by cursor limit ${commitsPerWindowMax}`,
    ),
  );
  let changes = 0;
  const fitting = commits.findIndex((row) => (changes += row.changes) > limits.changesPerBatchMax);
  return commits.slice(0, fitting === -1 ? commits.length : Math.max(1, fitting));
}

async function* snapshot(
  rows: ChangeRows,
  end: Cursor,
  mark: CommitMark | undefined,
  check: () => Promise<void>,
): AsyncGenerator<ChangeBatch> {
  const { timeMs } = await rows.commitTime(end);
  const nobody = {
    ...{ cursor: end, clientCommitId: null, author: null, device: null, timeMs },
    ...(mark === undefined ? {} : { mark }),
  };
  for await (const changes of rows.standingAt(end)) {
    await check();
    yield { ...nobody, last: false, changes };
  }
  yield { ...nobody, last: true, changes: [] };
}

async function* smallCommits(
  rows: ChangeRows,
  after: Cursor,
  window: readonly CommitRow[],
): AsyncGenerator<ChangeBatch> {
  const through = window.at(-1)?.cursor ?? after;
  const byCursor = await rows.between(after, through);
  for (const row of window) yield { ...heading(row), last: true, changes: byCursor.get(row.cursor) ?? [] };
}

async function* largeCommit(rows: ChangeRows, row: CommitRow): AsyncGenerator<ChangeBatch> {
  let held: readonly Change[] | undefined;
  for await (const changes of rows.of(row.cursor)) {
    if (held !== undefined) yield { ...heading(row), last: false, changes: held };
    held = changes;
  }
  yield { ...heading(row), last: true, changes: held ?? [] };
}

function heading(row: CommitRow): Omit<ChangeBatch, 'changes' | 'last'> {
  return {
    cursor: row.cursor,
    clientCommitId: row.client_commit_id,
    author: row.author,
    device: row.device,
    timeMs: row.time_ms,
    mark: markOf(row),
  };
}
