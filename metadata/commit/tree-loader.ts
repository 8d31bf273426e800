import { sql } from 'kysely';
import type { InodeId, NamespaceId, Version } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import { limits } from '../../protocol/limits.ts';
import { decodeManifest } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { Place } from '../../protocol/operations.ts';
import type { Session } from '../database.ts';
import { inodeColumns, stateOfRow } from '../inode-rows.ts';
import type { InodeRow } from '../inode-rows.ts';

interface NameRow {
  readonly parent: InodeId;
  readonly name: string;
  readonly inode: InodeId;
}

/** What a commit reads of the tree, in sets: each call is one statement for up to some thousands of keys. */
export class TreeLoader {
  readonly #session: Session;
  readonly #namespace: NamespaceId;

  constructor(session: Session, namespace: NamespaceId) {
    this.#session = session;
    this.#namespace = namespace;
  }

  /** The newest state of each inode there ever was, and whether it is there now. */
  async inodes(inodes: readonly InodeId[]): Promise<readonly { state: InodeState; alive: boolean }[]> {
    const rows = await this.#session.inSlices(
      inodes,
      (slice) =>
        sql<InodeRow & { until: number | null }>`select i.until, ${inodeColumns}
          from ${this.#session.each(
            this.#session.list(slice),
            'inodes',
            'i',
            sql`i.namespace = ${this.#namespace} and i.inode = wanted.value and i.since = (select max(newest.since)
            from inodes newest where newest.namespace = ${this.#namespace} and newest.inode = wanted.value)`,
          )}`,
    );
    return rows.map((row) => ({ state: stateOfRow(row), alive: row.until === null }));
  }

  /** All present names of the inodes. */
  async names(inodes: readonly InodeId[]): Promise<readonly { inode: InodeId; place: Place }[]> {
    const rows = await this.#session.inSlices(
      inodes,
      (slice) =>
        sql<NameRow>`select d.parent, d.name, d.inode from ${this.#session.each(this.#session.list(slice), 'dentries', 'd', sql`d.namespace = ${this.#namespace} and d.inode = wanted.value and d.until is null`)}`,
    );
    return rows.map((row) => ({ inode: row.inode, place: { parent: row.parent, name: row.name } }));
  }

  /** What stands at those of the places where something does, by `placeKey`. */
  async occupants(places: readonly Place[]): Promise<Map<string, InodeId>> {
    const pairs = places.map((place) => [place.parent, place.name] as const);
    const rows = await this.#session.inSlices(
      pairs,
      (slice) =>
        sql<NameRow>`select d.parent, d.name, d.inode from ${this.#session.each(
          this.#session.pairs(slice),
          'dentries',
          'd',
          sql`d.namespace = ${this.#namespace} and d.parent = wanted.first and d.name = wanted.second
          and d.until is null`,
        )}`,
    );
    return new Map(rows.map((row) => [`${row.parent}/${row.name}`, row.inode]));
  }

  /** All entries of one directory. */
  async entries(directory: InodeId): Promise<readonly { inode: InodeId; place: Place }[]> {
    const rows = await this.#session.query(
      sql<NameRow>`select parent, name, inode from dentries
        where namespace = ${this.#namespace} and parent = ${directory} and until is null`,
    );
    return rows.map((row) => ({ inode: row.inode, place: { parent: row.parent, name: row.name } }));
  }

  async entryCounts(directories: readonly InodeId[]): Promise<ReadonlyMap<InodeId, number>> {
    const rows = await this.#session.inSlices(
      directories,
      (slice) =>
        sql<{ parent: InodeId; count: number }>`select d.parent, count(*) as count
          from ${this.#session.each(this.#session.list(slice), 'dentries', 'd', sql`d.namespace = ${this.#namespace} and d.parent = wanted.value and d.until is null`)} group by d.parent`,
    );
    return new Map(rows.map((row) => [row.parent, row.count]));
  }

  /** The directories and all above them. */
  async ancestors(directories: readonly InodeId[]): Promise<readonly InodeId[]> {
    const rows = await this.#session.inSlices(
      directories,
      (slice) =>
        sql<{ inode: InodeId }>`with recursive up (inode) as (
            select value as inode from ${this.#session.list(slice)} as start
            union
            select d.parent from ${this.#session.each(
              sql`up`,
              'dentries',
              'd',
              sql`d.namespace = ${this.#namespace} and d.inode = wanted.inode and d.until is null`,
            )})
          select inode from up`,
    );
    return rows.map((row) => row.inode);
  }

  /** Where an inode that has no name now last had one. */
  async lastPlace(inode: InodeId): Promise<Place | null> {
    const row = await this.#session.first(
      sql<NameRow>`select parent, name, inode from dentries
        where namespace = ${this.#namespace} and inode = ${inode} and until is not null
        order by until desc, parent, name limit 1`,
    );
    return row === undefined ? null : { parent: row.parent, name: row.name };
  }

  /** The manifests, where short enough to ride along, of versions by `inode/version`. */
  async inlineManifests(versions: readonly (readonly [InodeId, Version])[]): Promise<ReadonlyMap<string, Manifest>> {
    type Row = { inode: InodeId; version: Version; manifest: Uint8Array };
    const rows = await this.#session.inSlices(
      versions.map(([inode, version]) => [inode, String(version)] as const),
      (slice) =>
        sql<Row>`select v.inode, v.version, v.manifest from ${this.#session.each(
          this.#session.pairs(slice),
          'versions',
          'v',
          sql`v.namespace = ${this.#namespace} and v.inode = wanted.first
          and v.version = cast(wanted.second as bigint) and v.entries <= ${limits.inlineManifestEntriesMax}`,
        )}`,
    );
    return new Map(rows.map((row) => [`${row.inode}/${row.version}`, decodeManifest(row.manifest)]));
  }
}
