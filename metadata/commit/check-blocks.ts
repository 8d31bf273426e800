import { sql } from 'kysely';
import type { Caller } from '../../protocol/accounts.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { BlockHash, NamespaceId } from '../../protocol/ids.ts';
import { isHole } from '../../protocol/manifest.ts';
import type { Operation } from '../../protocol/operations.ts';
import type { Session } from '../database.ts';
import { nameableHashes } from '../sql-entitlements.ts';
import { manifestOf } from './check-request.ts';

/**
 * Throws `forbidden` if a manifest names a block that the caller may not name, and `invalidArgument` if the store
 * does not hold it with the length stated.
 */
export async function checkBlocks(
  session: Session,
  caller: Caller,
  namespace: NamespaceId,
  operations: readonly Operation[],
): Promise<void> {
  const lengths = new Map<BlockHash, number>();
  for (const operation of operations) {
    for (const entry of manifestOf(operation)?.entries ?? []) {
      if (isHole(entry)) continue;
      const other = lengths.get(entry.hash);
      if (other !== undefined && other !== entry.length) throw wrongLength(entry.hash);
      lengths.set(entry.hash, entry.length);
    }
  }
  if (lengths.size === 0) return;
  const hashes = [...lengths.keys()];
  const nameable = await nameableHashes(session, caller, namespace, hashes);
  const foreign = hashes.find((hash) => !nameable.has(hash));
  if (foreign !== undefined) {
    throw new DriveError('forbidden', `block ${foreign} has to be uploaded before a commit can name it`);
  }
  const rows = await session.inSlices(
    hashes,
    (slice) =>
      sql<{
        hash: BlockHash;
        length: number;
      }>`select b.hash, b.length from ${session.each(session.list(slice), 'blocks', 'b', sql`b.hash = wanted.value`)}`,
  );
  const stored = new Map(rows.map((row) => [row.hash, row.length]));
  for (const [hash, length] of lengths) if (stored.get(hash) !== length) throw wrongLength(hash);
}

function wrongLength(hash: BlockHash): DriveError {
  return new DriveError('invalidArgument', `the store holds no block ${hash} of the length that the manifest states`);
}
