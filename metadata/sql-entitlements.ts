import { sql } from 'kysely';
import type { Caller } from '../protocol/accounts.ts';
import type { BlockEntitlements } from '../protocol/block-index.ts';
import type { Clock } from '../protocol/environment.ts';
import type { BlockHash, NamespaceId } from '../protocol/ids.ts';
import { requireRole } from './access.ts';
import type { Database, Session } from './database.ts';

/** Which blocks a caller may name, in SQL. */
export class SqlEntitlements implements BlockEntitlements {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async nameable(
    caller: Caller,
    namespace: NamespaceId,
    hashes: readonly BlockHash[],
  ): Promise<ReadonlySet<BlockHash>> {
    return this.#database.read(async (session) => {
      await requireRole(session, caller, namespace, 'write');
      return nameableHashes(session, caller, namespace, hashes);
    });
  }

  async recordUploads(caller: Caller, hashes: readonly BlockHash[]): Promise<void> {
    if (hashes.length === 0) return;
    const nowMs = this.#clock.nowMs();
    const rows = [...new Set(hashes)].sort().map((hash) => ({ user_id: caller.user, hash, time_ms: nowMs }));
    await this.#database.transaction((session) => session.insert('uploads', rows, true));
  }
}

/** Those of `hashes` that the namespace references or the caller has uploaded; roles are the caller's to check. */
export async function nameableHashes(
  session: Session,
  caller: Caller,
  namespace: NamespaceId,
  hashes: readonly BlockHash[],
): Promise<ReadonlySet<BlockHash>> {
  const rows = await session.inSlices(
    hashes,
    (slice) =>
      sql<{ hash: BlockHash }>`select wanted.value as hash from ${session.list(slice)} as wanted
        where exists (select 1 from namespace_blocks n where n.namespace = ${namespace} and n.hash = wanted.value)
        or exists (select 1 from uploads u where u.user_id = ${caller.user} and u.hash = wanted.value)`,
  );
  return new Set(rows.map((row) => row.hash));
}
