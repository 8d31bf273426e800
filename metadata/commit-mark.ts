import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { DriveError } from '../protocol/errors.ts';
import type { ClientCommitId, CommitMark, Cursor, NamespaceId } from '../protocol/ids.ts';
import type { Session } from './database.ts';

/** What of a commit's row makes its mark. */
export interface MarkedRow {
  readonly client_commit_id: ClientCommitId | null;
  readonly time_ms: number;
}

const markDigits = 32;

/**
 * A commit's mark: who attempted it and when it was made. The time is part of it since an attempt whose commit was lost with the newer part
 * of a database is made again under its old id, perhaps at its old cursor, after other commits than the first time.
 */
export function markOf({ client_commit_id, time_ms }: MarkedRow): CommitMark {
  const text = `${client_commit_id ?? ''} ${time_ms}`;
  return createHash('sha256').update(text).digest('hex').slice(0, markDigits) as CommitMark;
}

/** The mark of the commit at `cursor`; `undefined` if there is none, as at 0. */
export async function markAt(
  session: Session,
  namespace: NamespaceId,
  cursor: Cursor,
): Promise<CommitMark | undefined> {
  const row = await session.first(
    sql<MarkedRow>`select client_commit_id, time_ms from commits where namespace = ${namespace} and cursor = ${cursor}`,
  );
  return row === undefined ? undefined : markOf(row);
}

/** Throws `gone` unless the log has the commit with this mark at `cursor`. Before the first commit, all logs are the same. */
export async function requireMark(
  session: Session,
  { id, name }: { readonly id: NamespaceId; readonly name: string },
  cursor: Cursor,
  mark: CommitMark,
): Promise<void> {
  if (cursor === 0 || (await markAt(session, id, cursor)) === mark) return;
  throw new DriveError(
    'gone',
    `the history of "${name}" is another than the one read up to cursor ${cursor} (an older database was put back); start again from 0`,
  );
}
