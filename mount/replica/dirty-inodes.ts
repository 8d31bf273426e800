import type { InodeAttributes } from '../../protocol/inode-state.ts';
import { decodeManifest, encodeManifest } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { ReplicaDatabase, Statement } from './database.ts';
import type { Ino } from './local-inode.ts';

/** Which attributes were changed here, as bits. */
export const attributeBits = { mode: 1, uid: 2, gid: 4, mtimeNs: 8, ctimeNs: 16 } as const satisfies Record<
  keyof InodeAttributes,
  number
>;

/** What of an inode differs from the server. Whether its content does is in the inode itself. */
export interface DirtyInode {
  readonly ino: Ino;
  /** Made here: the server does not know it. */
  readonly created: boolean;
  /** `attributeBits` that changed and are in no plan; those that a plan under way carries. */
  readonly attributes: number;
  readonly plannedAttributes: number;
  readonly isPlanned: boolean;
  /** The content sequence that a plan under way carries. */
  readonly plannedSequence: number | null;
  /** Since when content waits to be uploaded; `null` if the latest is uploaded. */
  readonly contentSinceMs: number | null;
  readonly contentChangedMs: number;
  /** The sequence of the last upload that is not committed yet. */
  readonly uploadedSequence: number | null;
  /** The server has no name for it any more; it stays for what is dirty in it. */
  readonly remoteGone: boolean;
}

const columns = `ino, created, attributes, planned_attributes as plannedAttributes, is_planned as isPlanned,
  planned_sequence as plannedSequence, content_since_ms as contentSinceMs, content_changed_ms as contentChangedMs,
  uploaded_sequence as uploadedSequence, remote_gone as remoteGone`;

type Stored = Omit<DirtyInode, 'created' | 'isPlanned' | 'remoteGone'> & {
  readonly created: number;
  readonly isPlanned: number;
  readonly remoteGone: number;
};

function toDirty(value: unknown): DirtyInode {
  const row = value as Stored;
  return { ...row, created: row.created === 1, isPlanned: row.isPlanned === 1, remoteGone: row.remoteGone === 1 };
}

/** What is known of that many rows without a question to the database. */
const notedMax = 4_096;
/** Times of changes of content are exact to this: others wait for a second without a change. */
const changedMsGrain = 50;

/** The inodes that are dirty, and their dirty xattrs. */
export class DirtyInodes {
  readonly #db: ReplicaDatabase;
  /** Bits of attributes that the rows have for sure, and when content that waits to be uploaded was noted to change. */
  readonly #notedAttributes = new Map<Ino, number>();
  readonly #notedContent = new Map<Ino, number>();
  readonly #get: Statement;
  readonly #addAttributes: Statement;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
    db.afterUndos(() => this.#forgetNotes());
    this.#get = db.prepare(`select ${columns} from dirty_inodes where ino = ?`);
    this.#addAttributes = db.prepare(
      `insert into dirty_inodes (ino, attributes) values (?, ?)
       on conflict (ino) do update set attributes = attributes | excluded.attributes`,
    );
  }

  get(ino: Ino): DirtyInode | undefined {
    const row = this.#get.get(ino);
    return row === undefined ? undefined : toDirty(row);
  }

  addCreated(ino: Ino): void {
    this.#db.run('insert into dirty_inodes (ino, created) values (?, 1)', ino);
  }

  addAttributes(ino: Ino, bits: number): void {
    const noted = this.#notedAttributes.get(ino) ?? 0;
    if ((bits & ~noted) === 0) return;
    this.#addAttributes.run(ino, bits);
    if (this.#notedAttributes.size >= notedMax) this.#notedAttributes.clear();
    this.#notedAttributes.set(ino, noted | bits);
  }

  addXattr(ino: Ino, name: string): void {
    this.addAttributes(ino, attributeBits.ctimeNs);
    this.#db.run(
      `insert into dirty_xattrs (ino, name, dirty, planned) values (?, ?, 1, 0)
       on conflict (ino, name) do update set dirty = 1`,
      ...[ino, name],
    );
  }

  /** Names of xattrs that were changed here: `planned` ones are in a plan under way. */
  xattrs(ino: Ino): { readonly name: string; readonly dirty: number; readonly planned: number }[] {
    return this.#db.all('select name, dirty, planned from dirty_xattrs where ino = ? order by name', ino) as {
      name: string;
      dirty: number;
      planned: number;
    }[];
  }

  contentChanged(ino: Ino, nowMs: number): void {
    const notedMs = this.#notedContent.get(ino);
    if (notedMs !== undefined && nowMs >= notedMs && nowMs < notedMs + changedMsGrain) return;
    if (this.#notedContent.size >= notedMax) this.#notedContent.clear();
    this.#notedContent.set(ino, nowMs);
    this.#db.run(
      `insert into dirty_inodes (ino, content_since_ms, content_changed_ms) values (?, ?, ?)
       on conflict (ino) do update set content_since_ms = coalesce(content_since_ms, excluded.content_since_ms),
       content_changed_ms = excluded.content_changed_ms`,
      ...[ino, nowMs, nowMs],
    );
  }

  /** Files whose content waits to be uploaded, the longest waiting first. */
  toUpload(limit: number): DirtyInode[] {
    return this.#db
      .all(
        `select ${columns} from dirty_inodes where content_since_ms is not null order by content_since_ms, ino limit ?`,
        limit,
      )
      .map(toDirty);
  }

  /** `waitsSinceMs`: `null` if this is the latest content. */
  uploaded(ino: Ino, sequence: number, manifest: Manifest, waitsSinceMs: number | null): void {
    this.#forgetNotesOf(ino);
    this.#db.run(
      `update dirty_inodes set uploaded_sequence = ?, uploaded_manifest = ?, content_since_ms = ? where ino = ?`,
      ...[sequence, encodeManifest(manifest), waitsSinceMs, ino],
    );
  }

  /** What was uploaded is of no use: the content waits to be uploaded again. */
  uploadAgain(ino: Ino, nowMs: number): void {
    this.#forgetNotesOf(ino);
    this.#db.run(
      `update dirty_inodes set uploaded_sequence = null, uploaded_manifest = null,
       content_since_ms = coalesce(content_since_ms, ?) where ino = ?`,
      ...[nowMs, ino],
    );
  }

  uploadedManifest(ino: Ino): Manifest | undefined {
    const row = this.#db.get('select uploaded_manifest as manifest from dirty_inodes where ino = ?', ino) as
      { manifest: Uint8Array | null } | undefined;
    const manifest = row?.manifest ?? null;
    return manifest === null ? undefined : decodeManifest(manifest);
  }

  /** The content is not dirty any more. */
  contentClean(ino: Ino): void {
    this.#forgetNotesOf(ino);
    this.#db.run(
      `update dirty_inodes set content_since_ms = null, uploaded_sequence = null, uploaded_manifest = null where ino = ?`,
      ino,
    );
  }

  /** A plan carries all that is dirty of the inode now (and the uploaded content, if `sequence` is given). */
  setPlanned(ino: Ino, sequence: number | null): void {
    this.#forgetNotesOf(ino);
    this.#db.run(
      `update dirty_inodes set is_planned = 1, planned_sequence = ?, attributes = 0,
       planned_attributes = planned_attributes | attributes where ino = ?`,
      ...[sequence, ino],
    );
    this.#db.run('update dirty_xattrs set planned = 1, dirty = 0 where ino = ? and dirty = 1', ino);
  }

  /** The plan under way took effect for this inode: what it carried is agreed. */
  planSettled(ino: Ino): void {
    this.#forgetNotesOf(ino);
    this.#db.run(
      `update dirty_inodes set is_planned = 0, planned_sequence = null, planned_attributes = 0, created = 0 where ino = ?`,
      ino,
    );
    this.#db.run('delete from dirty_xattrs where ino = ? and dirty = 0', ino);
    this.#db.run('update dirty_xattrs set planned = 0 where ino = ?', ino);
  }

  /** The plan under way came to nothing: what it carried is dirty as before. */
  planAbandoned(ino: Ino): void {
    this.#forgetNotesOf(ino);
    this.#db.run(
      `update dirty_inodes set is_planned = 0, planned_sequence = null,
       attributes = attributes | planned_attributes, planned_attributes = 0 where ino = ?`,
      ino,
    );
    this.#db.run('update dirty_xattrs set planned = 0, dirty = 1 where ino = ?', ino);
  }

  planned(): DirtyInode[] {
    return this.#db.all(`select ${columns} from dirty_inodes where is_planned = 1 order by ino`).map(toDirty);
  }

  page(afterIno: number, limit: number): DirtyInode[] {
    return this.#db
      .all(`select ${columns} from dirty_inodes where ino > ? order by ino limit ?`, afterIno, limit)
      .map(toDirty);
  }

  setRemoteGone(ino: Ino, gone: boolean): void {
    if (gone) {
      this.#db.run(
        `insert into dirty_inodes (ino, remote_gone) values (?, 1) on conflict (ino) do update set remote_gone = 1`,
        ino,
      );
    } else {
      this.#db.run('update dirty_inodes set remote_gone = 0 where ino = ?', ino);
    }
  }

  gone(): Ino[] {
    const rows = this.#db.all('select ino from dirty_inodes where remote_gone = 1 order by ino desc') as { ino: Ino }[];
    return rows.map((row) => row.ino);
  }

  /** Forgets all that is dirty of the inode. */
  delete(ino: Ino): void {
    this.#forgetNotesOf(ino);
    this.#db.run('delete from dirty_inodes where ino = ?', ino);
    this.#db.run('delete from dirty_xattrs where ino = ?', ino);
  }

  /** Forgets the inode if nothing of it is dirty. */
  dropIfClean(ino: Ino, contentDirty: boolean): void {
    if (contentDirty) return;
    this.#forgetNotesOf(ino);
    this.#db.run(
      `delete from dirty_inodes where ino = ? and created = 0 and attributes = 0 and planned_attributes = 0
       and is_planned = 0 and remote_gone = 0 and not exists (select 1 from dirty_xattrs x where x.ino = dirty_inodes.ino)`,
      ino,
    );
  }

  #forgetNotesOf(ino: Ino): void {
    this.#notedAttributes.delete(ino);
    this.#notedContent.delete(ino);
  }

  #forgetNotes(): void {
    this.#notedAttributes.clear();
    this.#notedContent.clear();
  }
}
