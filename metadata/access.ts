import { sql } from 'kysely';
import type { Caller } from '../protocol/accounts.ts';
import { DriveError } from '../protocol/errors.ts';
import type { Cursor, NamespaceId } from '../protocol/ids.ts';
import { roleSuffices } from '../protocol/roles.ts';
import type { Role } from '../protocol/roles.ts';
import type { Session } from './database.ts';

/** A namespace's row, with the role of the caller who asked. */
export interface NamespaceAccess {
  readonly id: NamespaceId;
  readonly name: string;
  readonly owner: string;
  readonly role: Role;
  readonly cursor: Cursor;
  /** Cursors before it can no longer be looked at. */
  readonly horizon: Cursor;
  readonly quota_bytes: number | null;
  readonly used_bytes: number;
}

/**
 * The one check of who may do what: throws `notFound` for a namespace the caller has no role in, so that its
 * existence is not told, and `forbidden` for a role that does not suffice. With `lock` it holds the namespace's
 * row until the end of the transaction, so that commits and leases of one namespace go one after the other.
 */
export async function requireRole(
  session: Session,
  caller: Caller,
  namespace: NamespaceId,
  needed: Role,
  lock: 'lock' | 'noLock' = 'noLock',
): Promise<NamespaceAccess> {
  if (lock === 'lock') {
    await session.query(sql`select id from namespaces where id = ${namespace} ${session.forUpdate}`);
  }
  const access = await session.first(
    sql<NamespaceAccess>`select n.id, n.name, n.owner, g.role, n.cursor, n.horizon, n.quota_bytes, n.used_bytes
      from grants g join namespaces n on n.id = g.namespace
      where g.namespace = ${namespace} and g.user_id = ${caller.user}`,
  );
  if (access === undefined) throw new DriveError('notFound', `there is no namespace ${namespace.slice(0, 40)}`);
  if (!roleSuffices(access.role, needed)) {
    throw new DriveError(
      'forbidden',
      `"${access.name}" is shared with you as "${access.role}"; this needs "${needed}"`,
    );
  }
  return access;
}
