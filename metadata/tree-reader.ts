import { sql } from 'kysely';
import type { Caller } from '../protocol/accounts.ts';
import { DriveError } from '../protocol/errors.ts';
import { isPosition, rootInodeOf } from '../protocol/ids.ts';
import type { InodeId, NamespaceId, Version } from '../protocol/ids.ts';
import type { InodeState } from '../protocol/inode-state.ts';
import { limits } from '../protocol/limits.ts';
import { decodeManifest } from '../protocol/manifest.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { At, DirectoryPage, NamespaceInfo } from '../protocol/metadata.ts';
import type { Place } from '../protocol/operations.ts';
import { requireRole } from './access.ts';
import type { NamespaceAccess } from './access.ts';
import type { Database, Session } from './database.ts';
import { inodeColumns, standsAt, stateOfRow } from './inode-rows.ts';
import type { InodeRow } from './inode-rows.ts';

/** How deep a path may be; longer ones are `tooLarge`. */
const pathDepthMax = 4_096;

/** Reads of the tree, now or at an earlier cursor. Each checks the caller's role first. */
export class TreeReader {
  readonly #database: Database;
  readonly #caller: Caller;

  constructor(database: Database, caller: Caller) {
    this.#database = database;
    this.#caller = caller;
  }

  async namespaces(): Promise<readonly NamespaceInfo[]> {
    const user = this.#caller.user;
    const rows = await this.#database.read((session) =>
      session.query(
        sql<NamespaceAccess>`select n.id, n.name, n.owner, g.role, n.cursor, n.horizon, n.quota_bytes, n.used_bytes
          from grants g join namespaces n on n.id = g.namespace where g.user_id = ${user}
          order by case when n.owner = ${user} then 0 else 1 end, n.created_ms, n.id`,
      ),
    );
    return rows.map(namespaceInfo);
  }

  async namespace(namespace: NamespaceId): Promise<NamespaceInfo> {
    return this.#database.read(async (session) =>
      namespaceInfo(await requireRole(session, this.#caller, namespace, 'read')),
    );
  }

  async lookup(namespace: NamespaceId, place: Place, at?: At): Promise<InodeState> {
    return this.#reading(namespace, at, async (session) => {
      const row = await session.first(
        sql<InodeRow>`select ${inodeColumns} from dentries d
          join inodes i on i.namespace = d.namespace and i.inode = d.inode and ${standsAt('i', at)}
          where d.namespace = ${namespace} and d.parent = ${place.parent} and d.name = ${storable(place.name)}
          and ${standsAt('d', at)}`,
      );
      if (row !== undefined) return stateOfRow(row);
      requireDirectory(await this.#inode(session, namespace, place.parent, at));
      throw new DriveError('notFound', `there is no "${place.name}" in that folder`);
    });
  }

  async resolve(namespace: NamespaceId, path: readonly string[], at?: At): Promise<InodeState> {
    if (path.length > pathDepthMax) throw new DriveError('tooLarge', `a path has at most ${pathDepthMax} names`);
    const root = rootInodeOf(namespace);
    return this.#reading(namespace, at, async (session) => {
      type Step = InodeRow & { readonly depth: number };
      const deepest = await session.first(
        sql<Step>`with recursive walk (depth, inode) as (
            select 0 as depth, id as inode from namespaces where id = ${root}
            union all
            select wanted.depth + 1, d.inode from ${session.each(
              sql`walk`,
              'dentries',
              'd',
              sql`d.namespace = ${namespace} and d.parent = wanted.inode and d.name = (select step.value
                from ${session.list(path.map(storable))} as step where step.position = wanted.depth)
                and ${standsAt('d', at)}`,
            )})
          select w.depth, ${inodeColumns} from walk w
          join inodes i on i.namespace = ${namespace} and i.inode = w.inode and ${standsAt('i', at)}
          order by w.depth desc limit 1`,
      );
      if (deepest?.depth === path.length) return stateOfRow(deepest);
      const shown = `/${path.join('/').slice(0, 400)}`;
      if (deepest !== undefined && deepest.kind !== 'directory') {
        throw new DriveError('notDirectory', `a part of ${shown} is not a folder`);
      }
      throw new DriveError('notFound', `there is no ${shown}`);
    });
  }

  async list(
    namespace: NamespaceId,
    directory: InodeId,
    page: { readonly after?: string; readonly limit?: number },
    at?: At,
  ): Promise<DirectoryPage> {
    const limit = Math.min(page.limit ?? limits.listPageMax, limits.listPageMax);
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new DriveError('invalidArgument', 'a page has at least 1 entry');
    return this.#reading(namespace, at, async (session) => {
      requireDirectory(await this.#inode(session, namespace, directory, at));
      const rows = await session.query(
        sql<InodeRow & { readonly name: string }>`select d.name, ${inodeColumns} from dentries d
          join inodes i on i.namespace = d.namespace and i.inode = d.inode and ${standsAt('i', at)}
          where d.namespace = ${namespace} and d.parent = ${directory} and d.name > ${storable(page.after ?? '')}
          and ${standsAt('d', at)} order by d.name limit ${limit + 1}`,
      );
      const entries = rows.slice(0, limit).map((row) => ({ name: row.name, state: stateOfRow(row) }));
      return { entries, next: rows.length > limit ? (entries.at(-1)?.name ?? null) : null };
    });
  }

  async inode(namespace: NamespaceId, inode: InodeId, at?: At): Promise<InodeState> {
    return this.#reading(namespace, at, (session) => this.#inode(session, namespace, inode, at));
  }

  async manifest(namespace: NamespaceId, inode: InodeId, version: Version): Promise<Manifest> {
    return this.#reading(namespace, undefined, async (session) => {
      if (version === 0) return { profile: '', entries: [] };
      const row = await session.first(
        sql<{ manifest: Uint8Array }>`select manifest from versions
          where namespace = ${namespace} and inode = ${inode} and version = ${version}`,
      );
      if (row === undefined) throw new DriveError('notFound', `there is no version ${version} of that file`);
      return decodeManifest(row.manifest);
    });
  }

  async #inode(session: Session, namespace: NamespaceId, inode: InodeId, at?: At): Promise<InodeState> {
    const row = await session.first(
      sql<InodeRow>`select ${inodeColumns} from inodes i
        where i.namespace = ${namespace} and i.inode = ${inode} and ${standsAt('i', at)}`,
    );
    if (row === undefined) throw new DriveError('notFound', `there is no file or folder ${inode.slice(0, 40)}`);
    return stateOfRow(row);
  }

  async #reading<Result>(
    namespace: NamespaceId,
    at: At | undefined,
    work: (session: Session) => Promise<Result>,
  ): Promise<Result> {
    return this.#database.read(async (session) => {
      const access = await requireRole(session, this.#caller, namespace, 'read');
      if (at?.cursor !== undefined) checkCursor(at.cursor, access);
      return work(session);
    });
  }
}

function checkCursor(cursor: number, access: NamespaceAccess): void {
  if (!isPosition(cursor) || cursor > access.cursor) {
    throw new DriveError('invalidArgument', `"${access.name}" has not reached cursor ${cursor} yet`);
  }
  if (cursor < access.horizon) {
    throw new DriveError('gone', `the history of "${access.name}" reaches back to cursor ${access.horizon} only`);
  }
}

function requireDirectory(state: InodeState): void {
  if (state.kind !== 'directory') throw new DriveError('notDirectory', 'that is not a folder');
}

function namespaceInfo(row: NamespaceAccess): NamespaceInfo {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    cursor: row.cursor,
    quotaBytes: row.quota_bytes,
    usedBytes: row.used_bytes,
  };
}

/** Postgres takes no NUL in text, and no name has one. */
function storable(name: string): string {
  return name.replaceAll('\0', '/');
}
