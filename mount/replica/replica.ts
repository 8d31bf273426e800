import { chmodSync, closeSync, openSync } from 'node:fs';
import type BetterSqlite3 from 'better-sqlite3';
import { DriveError } from '../../protocol/errors.ts';
import type { ChangeBatch } from '../../protocol/changes.ts';
import type { CommitMark, Cursor, InodeId, NamespaceId } from '../../protocol/ids.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { CommitResult } from '../../protocol/operations.ts';
import { ReplicaDatabase } from './database.ts';
import type { GroupCommit } from './database.ts';
import type { InodeRow } from './inode-table.ts';
import type { Invalidation } from './invalidation.ts';
import { LocalChanges } from './local-changes.ts';
import { rootIno } from './local-inode.ts';
import type { Ino, LocalEntry, LocalInode } from './local-inode.ts';
import type { LocalTree, NewInode, RenameMode } from './local-tree.ts';
import { ReplicaState } from './replica-state.ts';
import type { ReplicaEnvironment } from './replica-state.ts';
import { PinTable } from './pin-table.ts';
import type { ReplicaSettings } from './settings.ts';
import { SyncedReplica } from './synced-replica.ts';
import type { ContentMove, DirtyContent, PlannedCommit, PlanOrder, Settled, SyncedTree } from './synced-tree.ts';

export interface ReplicaOptions extends ReplicaEnvironment {
  /** A file (made with mode 0600 if it is missing), `:memory:`, or a database that is open already. */
  readonly path: string | BetterSqlite3.Database;
  readonly namespace: NamespaceId;
  readonly groupCommit?: GroupCommit;
}

const groupCommitDefault: GroupCommit = { delayMs: 20, changesMax: 2_000 };

/** Opens the replica of a namespace; throws `invalidArgument` if the file holds that of another. */
export function openReplica(options: ReplicaOptions): Replica {
  if (typeof options.path === 'string' && options.path !== ':memory:') {
    closeSync(openSync(options.path, 'a', 0o600));
    chmodSync(options.path, 0o600);
  }
  return new Replica(options);
}

/** The mount's local copy of a namespace: see `LocalTree` and `SyncedTree` for what it promises. */
export class Replica implements LocalTree, SyncedTree {
  /** Small facts that others keep here (the content layer's boot id and whether it was closed cleanly). */
  readonly settings: ReplicaSettings;
  readonly pins: PinTable;
  readonly #db: ReplicaDatabase;
  readonly #state: ReplicaState;
  readonly #changes: LocalChanges;
  readonly #synced: SyncedReplica;

  constructor(options: ReplicaOptions) {
    this.#db = new ReplicaDatabase(options.path, options.clock, options.groupCommit ?? groupCommitDefault);
    this.#state = new ReplicaState(this.#db, options.namespace, options);
    this.#changes = new LocalChanges(this.#state);
    this.#synced = new SyncedReplica(this.#state);
    this.settings = this.#state.settings;
    this.pins = new PinTable(this.#db);
    const held = this.settings.get('namespace');
    if (held === undefined) this.settings.set('namespace', options.namespace);
    else if (held !== options.namespace) {
      throw new DriveError('invalidArgument', `this cache holds namespace ${held}, not ${options.namespace}`);
    }
  }

  inode(ino: Ino): LocalInode | undefined {
    return shown(this.#state.inodes.get(ino));
  }

  lookup(parent: Ino, name: string): LocalInode | undefined {
    return shown(this.#state.dentries.lookup(parent, name));
  }

  parentOf(ino: Ino): Ino {
    const row = this.#state.row(ino);
    if (row === undefined) throw new DriveError('notFound', `there is no inode ${ino}`);
    return row.parent === 0 ? rootIno : row.parent;
  }

  pathOf(ino: Ino): string | undefined {
    const names: string[] = [];
    for (let at = ino; at !== rootIno;) {
      const place = this.#state.dentries.namesOf(at)[0];
      if (place === undefined || names.length > 10_000) return undefined;
      names.unshift(place.name);
      at = place.parent;
    }
    return `/${names.join('/')}`;
  }

  list(directory: Ino, afterCookie: number, limit: number): readonly LocalEntry[] {
    return this.#state.dentries.list(directory, afterCookie, limit);
  }

  totals(): { readonly inodes: number; readonly bytes: number } {
    return this.#state.inodes.totals;
  }

  create(parent: Ino, name: string, inode: NewInode, nowNs: bigint): LocalInode {
    return this.#db.change(() => this.#changes.create(parent, name, inode, nowNs));
  }

  createUnlinked(inode: NewInode, nowNs: bigint): LocalInode {
    return this.#db.change(() => this.#changes.createUnlinked(inode, nowNs));
  }

  link(ino: Ino, parent: Ino, name: string, nowNs: bigint): LocalInode {
    return this.#db.change(() => this.#changes.link(ino, parent, name, nowNs));
  }

  unlink(parent: Ino, name: string, nowNs: bigint): LocalInode {
    return this.#db.change(() => this.#changes.unlink(parent, name, nowNs));
  }

  removeDirectory(parent: Ino, name: string, nowNs: bigint): LocalInode {
    return this.#db.change(() => this.#changes.removeDirectory(parent, name, nowNs));
  }

  rename(
    from: { readonly parent: Ino; readonly name: string },
    to: { readonly parent: Ino; readonly name: string },
    mode: RenameMode,
    nowNs: bigint,
  ): LocalInode | undefined {
    return this.#db.change(() => this.#changes.rename(from, to, mode, nowNs));
  }

  setAttributes(ino: Ino, set: Parameters<LocalTree['setAttributes']>[1], nowNs: bigint): LocalInode {
    return this.#db.change(() => this.#changes.setAttributes(ino, set, nowNs));
  }

  xattr(ino: Ino, name: string): Uint8Array | undefined {
    return this.#state.xattrs.get(ino, name);
  }

  xattrNames(ino: Ino): readonly string[] {
    return this.#state.xattrs.names(ino);
  }

  setXattr(ino: Ino, name: string, value: Uint8Array, mode: 'any' | 'create' | 'replace', nowNs: bigint): void {
    this.#db.change(() => this.#changes.setXattr(ino, name, value, mode, nowNs));
  }

  removeXattr(ino: Ino, name: string, nowNs: bigint): void {
    this.#db.change(() => this.#changes.removeXattr(ino, name, nowNs));
  }

  contentChanged(ino: Ino, size: number, nowNs: bigint): LocalInode {
    return this.#db.change(() => this.#changes.contentChanged(ino, size, nowNs));
  }

  contentSequence(ino: Ino): number {
    return this.#state.row(ino)?.sequence ?? 0;
  }

  manifest(ino: Ino): Manifest | undefined {
    const row = this.#state.row(ino);
    return row === undefined ? undefined : this.#state.manifests.get(row);
  }

  rememberManifest(ino: Ino, manifest: Manifest): void {
    this.#db.change(() => {
      const row = this.#state.row(ino);
      if (row !== undefined) this.#state.manifests.set(row, row.version, manifest);
    });
  }

  hold(ino: Ino): void {
    this.#state.holds.set(ino, (this.#state.holds.get(ino) ?? 0) + 1);
  }

  release(ino: Ino): boolean {
    if (!this.#changes.releaseOne(ino)) return false;
    return this.#db.change(() => this.#changes.letGo(ino));
  }

  durable(): Promise<void> {
    return this.#db.durable();
  }

  beforeCommits(action: () => void): void {
    this.#db.beforeCommits(action);
  }

  /** As `durable`, waiting for the disk in place: for rare moments in which nothing else may happen. */
  durableNow(): void {
    this.#db.durableNow();
  }

  cursor(): Cursor {
    return this.#synced.cursor();
  }

  mark(): CommitMark | undefined {
    return this.#synced.mark();
  }

  startSnapshot(): void {
    this.#synced.startSnapshot();
  }

  applyRemote(batch: ChangeBatch): readonly Invalidation[] {
    return this.#synced.applyRemote(batch);
  }

  dirtySummary(): ReturnType<SyncedTree['dirtySummary']> {
    return this.#synced.dirtySummary();
  }

  dirtyContents(limit: number): readonly DirtyContent[] {
    return this.#synced.dirtyContents(limit);
  }

  contentUploaded(ino: Ino, sequence: number, manifest: Manifest): void {
    this.#synced.contentUploaded(ino, sequence, manifest);
  }

  followRemote(): readonly Invalidation[] {
    return this.#synced.followRemote();
  }

  planCommit(operationsMax: number, nowMs: number, order?: PlanOrder): PlannedCommit | undefined {
    return this.#synced.planCommit(operationsMax, nowMs, order);
  }

  unsettledCommit(): PlannedCommit | undefined {
    return this.#synced.unsettledCommit();
  }

  settle(plan: PlannedCommit, result: CommitResult, own: readonly ChangeBatch[]): Settled {
    return this.#synced.settle(plan, result, own);
  }

  unfinishedMoves(): readonly ContentMove[] {
    return this.#synced.unfinishedMoves();
  }

  contentMoved(id: number): void {
    this.#synced.contentMoved(id);
  }

  abandonPlan(plan: PlannedCommit): void {
    this.#synced.abandonPlan(plan);
  }

  holdBack(plan: PlannedCommit, isUploadDue: boolean): void {
    this.#synced.holdBack(plan, isUploadDue);
  }

  heldBack(): readonly Ino[] {
    return this.#synced.heldBack();
  }

  releaseHeldBack(which: 'oldest' | 'all'): readonly InodeId[] {
    return this.#synced.releaseHeldBack(which);
  }

  /** Whether nothing of the inode (its names, attributes, or content) is dirty. */
  isCommitted(ino: Ino): boolean {
    return this.#synced.isCommitted(ino);
  }

  /** Makes all changes durable and closes the database. */
  close(): Promise<void> {
    return this.#db.close();
  }
}

/** Inodes of which only a name is known are not shown. */
function shown(row: InodeRow | undefined): InodeRow | undefined {
  return row?.known === true ? row : undefined;
}
