import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { Cursor, InodeId, NamespaceId, Version } from '../protocol/ids.ts';
import type { InodeKind, InodeState, Xattrs } from '../protocol/inode-state.ts';
import type { At } from '../protocol/metadata.ts';
import type { RowOf } from './schema.ts';

/** An inode's state as it is stored. */
export interface InodeRow {
  readonly inode: InodeId;
  readonly kind: InodeKind;
  readonly mode: number;
  readonly uid: number | null;
  readonly gid: number | null;
  readonly mtime_ns: string;
  readonly ctime_ns: string;
  readonly size: number;
  readonly version: Version;
  readonly rdev: number;
  readonly target: string | null;
  readonly xattrs: string | null;
}

/** The columns of an `InodeRow`, where the table goes by the name `i`. */
export const inodeColumns = sql.raw(
  'i.inode, i.kind, i.mode, i.uid, i.gid, i.mtime_ns, i.ctime_ns, i.size, i.version, i.rdev, i.target, i.xattrs',
);

/** Whether a temporal row of the table called `alias` stood at `at` (default: stands now). */
export function standsAt(alias: 'i' | 'd', at?: At): RawBuilder<boolean> {
  const since = sql.ref(`${alias}.since`);
  const until = sql.ref(`${alias}.until`);
  if (at?.cursor === undefined) return sql`${until} is null`;
  return sql`${since} <= ${at.cursor} and (${until} is null or ${until} > ${at.cursor})`;
}

export function stateOfRow(row: InodeRow): InodeState {
  return {
    inode: row.inode,
    kind: row.kind,
    mode: row.mode,
    uid: row.uid,
    gid: row.gid,
    mtimeNs: BigInt(row.mtime_ns),
    ctimeNs: BigInt(row.ctime_ns),
    size: row.size,
    version: row.version,
    rdev: row.rdev,
    target: row.target,
    xattrs: decodeXattrs(row.xattrs),
  };
}

export function rowOfState(namespace: NamespaceId, state: InodeState, since: Cursor): RowOf<'inodes'> {
  return {
    namespace,
    inode: state.inode,
    since,
    kind: state.kind,
    mode: state.mode,
    uid: state.uid,
    gid: state.gid,
    mtime_ns: state.mtimeNs.toString(),
    ctime_ns: state.ctimeNs.toString(),
    size: state.size,
    version: state.version,
    rdev: state.rdev,
    target: state.target,
    xattrs: encodeXattrs(state.xattrs),
  };
}

/** A JSON list of `[name, base64]`, sorted by name; `null` for none. */
export function encodeXattrs(xattrs: Xattrs): string | null {
  if (xattrs.size === 0) return null;
  const pairs = [...xattrs].map(([name, value]) => [name, Buffer.from(value).toString('base64')] as const);
  return JSON.stringify(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function decodeXattrs(text: string | null): Xattrs {
  if (text === null) return new Map();
  const pairs = JSON.parse(text) as (readonly [string, string])[];
  return new Map(pairs.map(([name, value]) => [name, new Uint8Array(Buffer.from(value, 'base64'))]));
}
