import { sql } from 'kysely';
import type { Caller } from '../protocol/accounts.ts';
import type { Cursor, InodeId, NamespaceId, Version } from '../protocol/ids.ts';
import type { VersionInfo } from '../protocol/metadata.ts';
import type { Place } from '../protocol/operations.ts';
import { requireRole } from './access.ts';
import type { Database } from './database.ts';

interface Stay {
  readonly inode: InodeId;
  readonly since: Cursor;
  readonly until: Cursor | null;
}

interface VersionRow {
  readonly inode: InodeId;
  readonly version: Version;
  readonly size: number;
  readonly time_ms: number;
  readonly author: string;
}

/** The versions that have stood at a place, newest first. */
export async function versionsAt(
  database: Database,
  caller: Caller,
  namespace: NamespaceId,
  place: Place,
): Promise<readonly VersionInfo[]> {
  return database.read(async (session) => {
    await requireRole(session, caller, namespace, 'read');
    const stays = await session.query(
      sql<Stay>`select inode, since, until from dentries
        where namespace = ${namespace} and parent = ${place.parent} and name = ${place.name} order by since`,
    );
    const inodes = [...new Set(stays.map((stay) => stay.inode))];
    const rows = await session.inSlices(
      inodes,
      (slice) =>
        sql<VersionRow>`select v.inode, v.version, v.size, v.time_ms, v.author
          from ${session.each(session.list(slice), 'versions', 'v', sql`v.namespace = ${namespace} and v.inode = wanted.value`)}`,
    );
    const stood = rows.filter((row) => stays.some((stay) => stoodDuring(row, stay, rows)));
    stood.sort((a, b) => b.version - a.version || (a.inode < b.inode ? -1 : 1));
    return stood.map((row) => ({
      inode: row.inode,
      version: row.version,
      size: row.size,
      timeMs: row.time_ms,
      author: row.author,
    }));
  });
}

/** Whether `row` was the head of its inode at some cursor of `stay`. */
function stoodDuring(row: VersionRow, stay: Stay, all: readonly VersionRow[]): boolean {
  if (row.inode !== stay.inode || (stay.until !== null && row.version >= stay.until)) return false;
  if (row.version >= stay.since) return true;
  // It was made before the file came here: it stood here only if it was still the head then.
  return !all.some((other) => other.inode === row.inode && other.version > row.version && other.version <= stay.since);
}
