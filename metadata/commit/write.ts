import { sql } from 'kysely';
import { DriveError } from '../../protocol/errors.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import { encodeManifest, manifestHashes } from '../../protocol/manifest.ts';
import type { CommitRequest } from '../../protocol/operations.ts';
import type { NamespaceAccess } from '../access.ts';
import type { Session } from '../database.ts';
import { encodeXattrs, rowOfState } from '../inode-rows.ts';
import type { RowOf } from '../schema.ts';
import type { Work } from './work.ts';
import type { Node, WorkingPlace } from './working-tree.ts';

/** An inode's row before and after the commit; `null`: none. */
interface InodeChange {
  readonly node: Node;
  readonly before: InodeState | null;
  readonly after: InodeState | null;
}

/**
 * Writes what the commit changes, in sets. Returns whether anything was changed; if not, nothing is written. Throws
 * `quotaExceeded` if the namespace would grow beyond its quota.
 */
export async function writeChanges(
  session: Session,
  work: Work,
  access: NamespaceAccess,
  request: CommitRequest,
): Promise<boolean> {
  const places = [...work.tree.changedPlaces()];
  const inodes = inodeChanges(work);
  if (places.length === 0 && inodes.length === 0) return false;
  const usedBytes = access.used_bytes + growth(inodes);
  if (access.quota_bytes !== null && usedBytes > access.quota_bytes && usedBytes > access.used_bytes) {
    throw new DriveError('quotaExceeded', `"${access.name}" is full: its quota is ${access.quota_bytes} bytes`);
  }
  await writePlaces(session, work, access.id, places);
  await writeInodes(session, work, access.id, inodes);
  await writeVersions(session, work, access.id, inodes);
  const { caller, cursor, timeMs } = work;
  await session.query(
    sql`insert into commits (namespace, cursor, client_commit_id, author, device, time_ms, changes)
      values (${access.id}, ${cursor}, ${request.clientCommitId}, ${caller.userName}, ${caller.device}, ${timeMs},
        ${places.length + inodes.length})`,
  );
  await session.query(sql`update namespaces set cursor = ${cursor}, used_bytes = ${usedBytes} where id = ${access.id}`);
  return true;
}

function inodeChanges(work: Work): readonly InodeChange[] {
  const changes: InodeChange[] = [];
  for (const node of work.tree.loadedNodes()) {
    const after = work.tree.isAlive(node) ? node.state : null;
    if (!sameState(node.stored, after)) changes.push({ node, before: node.stored, after });
  }
  return changes;
}

function sameState(a: InodeState | null, b: InodeState | null): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  const same = a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.version === b.version && a.size === b.size;
  if (!same || a.mtimeNs !== b.mtimeNs || a.ctimeNs !== b.ctimeNs) return false;
  return encodeXattrs(a.xattrs) === encodeXattrs(b.xattrs);
}

/** Of the logical bytes of head versions. */
function growth(inodes: readonly InodeChange[]): number {
  return inodes.reduce((sum, change) => sum + (change.after?.size ?? 0) - (change.before?.size ?? 0), 0);
}

async function writePlaces(
  session: Session,
  work: Work,
  namespace: NamespaceId,
  places: readonly WorkingPlace[],
): Promise<void> {
  const ended = places.filter((entry) => entry.stored !== null);
  const pairs = ended.map(({ place }) => [place.parent, place.name] as const);
  await session.inSlices(
    pairs,
    (slice) =>
      sql`update dentries set until = ${work.cursor} where ${session.isAmong(
        sql`select ${session.rowAddress('d')} from ${session.each(
          session.pairs(slice),
          'dentries',
          'd',
          sql`d.namespace = ${namespace} and d.parent = wanted.first and d.name = wanted.second and d.until is null`,
        )}`,
      )}`,
  );
  const rows = places.flatMap(({ place, now }) =>
    now === null ? [] : [{ namespace, parent: place.parent, name: place.name, inode: now, since: work.cursor }],
  );
  await session.insert('dentries', rows);
}

async function writeInodes(
  session: Session,
  work: Work,
  namespace: NamespaceId,
  inodes: readonly InodeChange[],
): Promise<void> {
  const ended = inodes.filter((change) => change.before !== null).map((change) => change.node.inode);
  await session.inSlices(
    ended,
    (slice) =>
      sql`update inodes set until = ${work.cursor} where ${session.isAmong(
        sql`select ${session.rowAddress('i')} from ${session.each(
          session.list(slice),
          'inodes',
          'i',
          sql`i.namespace = ${namespace} and i.inode = wanted.value and i.until is null`,
        )}`,
      )}`,
  );
  const rows = inodes.flatMap(({ after }) => (after === null ? [] : [rowOfState(namespace, after, work.cursor)]));
  await session.insert('inodes', rows);
}

async function writeVersions(
  session: Session,
  work: Work,
  namespace: NamespaceId,
  inodes: readonly InodeChange[],
): Promise<void> {
  const versions: RowOf<'versions'>[] = [];
  const hashes = new Set<string>();
  for (const { node, after } of inodes) {
    if (node.content === null || after === null) continue;
    for (const hash of manifestHashes(node.content)) hashes.add(hash);
    versions.push({
      namespace,
      inode: node.inode,
      version: after.version,
      size: after.size,
      entries: node.content.entries.length,
      manifest: encodeManifest(node.content),
      author: work.caller.userName,
      time_ms: work.timeMs,
    });
  }
  await session.insert('versions', versions);
  const rows = [...hashes].sort().map((hash) => ({ namespace, hash }));
  await session.insert('namespace_blocks', rows, true);
}
