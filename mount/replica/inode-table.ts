import type { InodeId, Version } from '../../protocol/ids.ts';
import { inodeKinds } from '../../protocol/inode-state.ts';
import type { InodeAttributes, InodeKind } from '../../protocol/inode-state.ts';
import type { ReplicaDatabase, Statement } from './database.ts';
import type { Ino, LocalInode } from './local-inode.ts';

/** An inode as stored: what others see of it, and what keeps the tree together. */
export interface InodeRow extends LocalInode {
  /** Whether its state is known; `false` for one that only a name has spoken of so far. Unknown ones are not shown. */
  readonly known: boolean;
  /** How many names lead to it. */
  readonly links: number;
  /** How many names of directories it holds, if it is one. */
  readonly subdirectories: number;
  /** The directory that holds it, if it is a directory with a name; else 0. */
  readonly parent: Ino;
  /** Grows with each local change of the content. */
  readonly sequence: number;
}

/** What a new row needs; it starts without names. */
export interface NewRow extends InodeAttributes {
  readonly ino: Ino;
  readonly id: InodeId;
  readonly known: boolean;
  readonly kind: InodeKind;
  readonly rdev: number;
  readonly size: number;
  readonly atimeNs: bigint;
  readonly target: string | null;
  readonly version: Version;
}

interface StoredRow {
  ino: number;
  id: string;
  known: number;
  kind: number;
  mode: number;
  uid: number | null;
  gid: number | null;
  rdev: number;
  size: number;
  links: number;
  subdirectories: number;
  parent: number;
  atime_s: number;
  atime_ns: number;
  mtime_s: number;
  mtime_ns: number;
  ctime_s: number;
  ctime_ns: number;
  target: string | null;
  version: number;
  sequence: number;
  content_dirty: number;
}

const second = 1_000_000_000;
const columnsOf = (alias: string) =>
  [
    ...['ino', 'id', 'known', 'kind', 'mode', 'uid', 'gid', 'rdev', 'size', 'links', 'subdirectories', 'parent'],
    ...['target', 'version', 'sequence', 'content_dirty'],
  ]
    .map((column) => `${alias}.${column}`)
    .concat(
      ['atime', 'mtime', 'ctime'].flatMap((time) => [
        `${alias}.${time} / ${second} as ${time}_s`,
        `${alias}.${time} % ${second} as ${time}_ns`,
      ]),
    )
    .join(', ');

/** The columns of `inodes i`, as `rowToInode` takes them. */
export const inodeColumns = columnsOf('i');

const toNs = (seconds: number, nanoseconds: number) => BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);

/** The number that stands for a kind in the database. */
export function kindNumber(kind: InodeKind): number {
  return inodeKinds.indexOf(kind);
}

function nlinkOf(kind: InodeKind, links: number, subdirectories: number, ino: number): number {
  if (kind !== 'directory') return links;
  return links === 0 && ino !== 1 ? 0 : 2 + subdirectories;
}

/** Reads what a query of `inodeColumns` gave. */
export function rowToInode(value: unknown): InodeRow {
  const row = value as StoredRow;
  const kind = inodeKinds[row.kind] ?? 'file';
  return {
    ino: row.ino as Ino,
    id: row.id as InodeId,
    known: row.known === 1,
    kind,
    mode: row.mode,
    uid: row.uid,
    gid: row.gid,
    rdev: row.rdev,
    size: row.size,
    nlink: nlinkOf(kind, row.links, row.subdirectories, row.ino),
    links: row.links,
    subdirectories: row.subdirectories,
    parent: row.parent as Ino,
    atimeNs: toNs(row.atime_s, row.atime_ns),
    mtimeNs: toNs(row.mtime_s, row.mtime_ns),
    ctimeNs: toNs(row.ctime_s, row.ctime_ns),
    target: row.target,
    version: row.version as Version,
    sequence: row.sequence,
    contentDirty: row.content_dirty === 1,
  };
}

/** A gap between the numbers of two lives, so that a number given out and lost in a crash is never given again. */
const numbersPerLife = 2 ** 32;

/** Rows kept in memory: about 3 MB of them. */
const keptRowsMax = 8_192;

/**
 * The inodes of the replica by number and by id. All that changes them is here, so that rows that were read lately are
 * kept in memory and always say what the database would.
 */
export class InodeTable {
  readonly #db: ReplicaDatabase;
  readonly #kept = new Map<Ino, InodeRow>();
  readonly #byIno: Statement;
  readonly #byId: Statement;
  readonly #insert: Statement;
  readonly #touch: Statement;
  readonly #setAttributes: Statement;
  readonly #contentChanged: Statement;
  readonly #addLinks: Statement;
  readonly #totals: Statement;
  #nextIno: number;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
    db.afterUndos(() => this.#kept.clear());
    this.#byIno = db.prepare(`select ${inodeColumns} from inodes i where i.ino = ?`);
    this.#byId = db.prepare(`select ${inodeColumns} from inodes i where i.id = ?`);
    this.#insert = db.prepare(
      `insert into inodes (ino, id, known, kind, mode, uid, gid, rdev, size, links, subdirectories, parent, atime,
       mtime, ctime, target, version, sequence, content_dirty)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?, ?, ?, 0, 0)`,
    );
    this.#touch = db.prepare('update inodes set mtime = ?, ctime = ? where ino = ?');
    this.#setAttributes = db.prepare(
      'update inodes set mode = ?, uid = ?, gid = ?, atime = ?, mtime = ?, ctime = ? where ino = ?',
    );
    this.#contentChanged = db.prepare(
      'update inodes set size = ?, mtime = ?, ctime = ?, sequence = ?, content_dirty = 1 where ino = ?',
    );
    this.#addLinks = db.prepare('update inodes set links = links + ? where ino = ?');
    this.#totals = db.prepare('select inodes, bytes from totals');
    const reserved = db.get(`select value from settings where key = 'inodeNumbersReserved'`) as
      { value: string } | undefined;
    // 1 is the root.
    this.#nextIno = reserved === undefined ? 2 : Number(reserved.value);
    db.run(
      `insert into settings (key, value) values ('inodeNumbersReserved', ?)
       on conflict (key) do update set value = excluded.value`,
      String(this.#nextIno + numbersPerLife),
    );
  }

  /** How many inodes there are, and their bytes together. */
  get totals(): { readonly inodes: number; readonly bytes: number } {
    return this.#totals.get() as { inodes: number; bytes: number };
  }

  allocate(): Ino {
    return this.#nextIno++ as Ino;
  }

  get(ino: Ino): InodeRow | undefined {
    const kept = this.#kept.get(ino);
    if (kept !== undefined) return kept;
    const stored = this.#byIno.get(ino);
    if (stored === undefined) return undefined;
    const row = rowToInode(stored);
    this.#keep(row);
    return row;
  }

  byId(id: InodeId): InodeRow | undefined {
    const row = this.#byId.get(id);
    return row === undefined ? undefined : rowToInode(row);
  }

  insert(row: NewRow): void {
    this.#insert.run(
      ...[row.ino, row.id, row.known ? 1 : 0, kindNumber(row.kind), row.mode, row.uid, row.gid, row.rdev, row.size],
      ...[row.atimeNs, row.mtimeNs, row.ctimeNs, row.target, row.version],
    );
    const nlink = nlinkOf(row.kind, 0, 0, row.ino);
    const fresh = { links: 0, nlink, subdirectories: 0, parent: 0 as Ino, sequence: 0, contentDirty: false };
    this.#keep({ ...row, ...fresh });
  }

  /** Sets mtime and ctime. */
  touch(ino: Ino, mtimeNs: bigint, ctimeNs: bigint): void {
    this.#touch.run(mtimeNs, ctimeNs, ino);
    this.#amend(ino, { mtimeNs, ctimeNs });
  }

  setCtime(ino: Ino, ctimeNs: bigint): void {
    this.#db.run('update inodes set ctime = ? where ino = ?', ctimeNs, ino);
    this.#amend(ino, { ctimeNs });
  }

  setAttributes(ino: Ino, attributes: InodeAttributes & { readonly atimeNs: bigint }): void {
    const { mode, uid, gid, atimeNs, mtimeNs, ctimeNs } = attributes;
    this.#setAttributes.run(mode, uid, gid, atimeNs, mtimeNs, ctimeNs, ino);
    this.#amend(ino, { mode, uid, gid, atimeNs, mtimeNs, ctimeNs });
  }

  /** The content is `version` now, and nothing of it is dirty. */
  setClean(row: InodeRow, size: number, version: Version): void {
    this.#db.run(
      'update inodes set size = ?, committed_size = ?, version = ?, content_dirty = 0 where ino = ?',
      ...[size, size, version, row.ino],
    );
    this.#amend(row.ino, { size, version, contentDirty: false });
  }

  /** The content is dirty, of `size` bytes, on top of `version` of `committedSize` bytes. */
  setDirty(row: InodeRow, size: number, version: Version, committedSize: number): void {
    this.#db.run(
      'update inodes set size = ?, committed_size = ?, version = ?, content_dirty = 1 where ino = ?',
      ...[size, committedSize, version, row.ino],
    );
    this.#amend(row.ino, { size, version, contentDirty: true });
  }

  /** What was dirty of the content is gone: it is that of its version again. */
  revertContent(row: InodeRow): void {
    this.#db.run('update inodes set size = committed_size, content_dirty = 0 where ino = ?', row.ino);
    this.#kept.delete(row.ino);
  }

  /** Notes a local change of the content. */
  contentChanged({ ino, sequence }: InodeRow, size: number, nowNs: bigint): void {
    this.#contentChanged.run(size, nowNs, nowNs, sequence + 1, ino);
    this.#amend(ino, { size, mtimeNs: nowNs, ctimeNs: nowNs, sequence: sequence + 1, contentDirty: true });
  }

  setSequence(ino: Ino, sequence: number): void {
    this.#db.run('update inodes set sequence = ? where ino = ?', sequence, ino);
    this.#amend(ino, { sequence });
  }

  /** Removes the row with its xattrs and manifest. */
  delete(row: InodeRow): void {
    this.#db.run('delete from inodes where ino = ?', row.ino);
    this.#db.run('delete from xattrs where ino = ?', row.ino);
    this.#db.run('delete from manifests where ino = ?', row.ino);
    this.#db.run('delete from conflicts where ino = ?', row.ino);
    this.#kept.delete(row.ino);
  }

  /** Makes an unknown row known. */
  setKind(ino: Ino, kind: InodeKind, rdev: number, target: string | null): void {
    this.#db.run(
      'update inodes set known = 1, kind = ?, rdev = ?, target = ? where ino = ?',
      ...[kindNumber(kind), rdev, target, ino],
    );
    this.#kept.delete(ino);
  }

  /** One name more (or with -1 one fewer) leads to it. */
  addLinks(ino: Ino, links: number): void {
    this.#addLinks.run(links, ino);
    const row = this.#kept.get(ino);
    if (row !== undefined) this.#amend(ino, { links: row.links + links });
  }

  /** A directory has one name more, in `parent`. */
  attachDirectory(ino: Ino, parent: Ino): void {
    this.#db.run('update inodes set links = links + 1, parent = ? where ino = ?', parent, ino);
    this.#kept.delete(ino);
    this.#addSubdirectories(parent, 1);
  }

  /** A directory has one name fewer, in `parent`. */
  detachDirectory(ino: Ino, parent: Ino): void {
    this.#db.run(
      `update inodes set links = links - 1, parent = case when links = 1 then 0 else parent end where ino = ?`,
      ino,
    );
    this.#kept.delete(ino);
    this.#addSubdirectories(parent, -1);
  }

  /** The root lies in itself. */
  attachRoot(root: Ino): void {
    this.#db.run('update inodes set parent = ino where ino = ?', root);
    this.#kept.delete(root);
  }

  /** It is an inode that nobody else knows from now on. */
  renew(ino: Ino, id: InodeId): void {
    this.#db.run('update inodes set id = ?, version = 0 where ino = ?', id, ino);
    this.#kept.delete(ino);
  }

  #addSubdirectories(ino: Ino, count: number): void {
    this.#db.run('update inodes set subdirectories = subdirectories + ? where ino = ?', count, ino);
    const row = this.#kept.get(ino);
    if (row !== undefined) this.#amend(ino, { subdirectories: row.subdirectories + count });
  }

  #amend(ino: Ino, change: Partial<InodeRow>): void {
    const row = this.#kept.get(ino);
    if (row === undefined) return;
    const next = { ...row, ...change };
    next.nlink = nlinkOf(next.kind, next.links, next.subdirectories, ino);
    this.#kept.set(ino, next);
  }

  #keep(row: InodeRow): void {
    this.#kept.set(row.ino, row);
    if (this.#kept.size <= keptRowsMax) return;
    for (const ino of this.#kept.keys()) {
      this.#kept.delete(ino);
      if (this.#kept.size <= keptRowsMax / 2) return;
    }
  }
}
