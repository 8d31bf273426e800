import type { ChangeBatch } from '../../protocol/changes.ts';
import { cursorZero } from '../../protocol/ids.ts';
import type { CommitMark, Cursor, InodeId } from '../../protocol/ids.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { CommitResult } from '../../protocol/operations.ts';
import { DoubtedVersions } from './doubted-versions.ts';
import { HeldBack } from './held-back.ts';
import type { Invalidation } from './invalidation.ts';
import { InvalidationSet } from './invalidation-set.ts';
import type { InodeRow } from './inode-table.ts';
import type { Ino } from './local-inode.ts';
import { PlanStore, marksOf } from './planned-commit.ts';
import { Planner } from './planning.ts';
import { RemoteChanges } from './remote-changes.ts';
import { RemoteLosses } from './remote-losses.ts';
import type { ReplicaState } from './replica-state.ts';
import { Settling } from './settling.ts';
import { SnapshotLoad } from './snapshot-load.ts';
import type { ContentMove, DirtyContent, PlannedCommit, PlanOrder, Settled, SyncedTree } from './synced-tree.ts';

/** The half of the replica that speaks with the server, over the same tables as the local half. */
export class SyncedReplica implements SyncedTree {
  readonly #state: ReplicaState;
  readonly #plans: PlanStore;
  readonly #snapshot: SnapshotLoad;
  readonly #heldBack: HeldBack;
  readonly #doubted: DoubtedVersions;
  #cursor: Cursor;
  #mark: CommitMark | undefined;

  constructor(state: ReplicaState) {
    this.#state = state;
    this.#plans = new PlanStore(state.db);
    this.#snapshot = new SnapshotLoad(state);
    this.#heldBack = new HeldBack(state);
    this.#doubted = new DoubtedVersions(state);
    this.#cursor = Number(state.settings.get('cursor') ?? 0) as Cursor;
    this.#mark = state.settings.get('mark') as CommitMark | undefined;
  }

  cursor(): Cursor {
    return this.#cursor;
  }

  mark(): CommitMark | undefined {
    return this.#mark;
  }

  startSnapshot(): void {
    this.#state.db.change(() => {
      this.#snapshot.start();
      this.#setCursor(cursorZero, undefined);
    });
  }

  applyRemote(batch: ChangeBatch): readonly Invalidation[] {
    return this.#change((remote, losses) => {
      for (const change of batch.changes) {
        if (this.#snapshot.isLoading) this.#doubted.meet(change);
        remote.apply(change);
        this.#snapshot.saw(change);
      }
      if (!batch.last) return;
      for (const change of this.#snapshot.finish()) remote.apply(change);
      losses.decide();
      this.#setCursor(batch.cursor, batch.mark);
    }).invalidations;
  }

  dirtySummary(): { readonly entries: number; readonly bytes: number; readonly conflicts: number } {
    const { db } = this.#state;
    const inodes = db.get(
      `select count(*) as count, coalesce(sum(case when i.content_dirty = 1 then i.size else 0 end), 0) as bytes
       from dirty_inodes d join inodes i on i.ino = d.ino where (i.links > 0 or i.ino = 1) and d.created = 0`,
    ) as { count: number; bytes: number };
    const made = db.get(
      `select coalesce(sum(case when i.content_dirty = 1 then i.size else 0 end), 0) as bytes
       from dirty_inodes d join inodes i on i.ino = d.ino where i.links > 0 and d.created = 1`,
    ) as { bytes: number };
    const conflicts = db.get(
      'select count(*) as count from conflicts c join inodes i on i.ino = c.ino where i.links > 0',
    ) as { count: number };
    return {
      entries: inodes.count + this.#state.places.count(),
      bytes: inodes.bytes + made.bytes,
      conflicts: conflicts.count,
    };
  }

  dirtyContents(limit: number): readonly DirtyContent[] {
    const found: DirtyContent[] = [];
    for (const dirty of this.#state.dirty.toUpload(limit)) {
      const row = this.#state.row(dirty.ino);
      // One that lost its name is not sent; it waits for its release or for a new name.
      if (row === undefined || row.links === 0 || !row.contentDirty || dirty.contentSinceMs === null) continue;
      found.push({
        ...{ ino: row.ino, sequence: row.sequence, size: row.size, sinceMs: dirty.contentSinceMs },
        ...{ changedMs: dirty.contentChangedMs, base: this.#baseOf(row) },
      });
    }
    return found;
  }

  isCommitted(ino: Ino): boolean {
    const row = this.#state.row(ino);
    if (row === undefined || (row.links === 0 && row.nlink === 0)) return true;
    if (row.contentDirty || this.#state.dirty.get(ino) !== undefined) return false;
    if (this.#state.places.mentions(ino)) return false;
    return this.#state.dentries.namesOf(ino).every((place) => this.#state.places.get(place) === undefined);
  }

  contentUploaded(ino: Ino, sequence: number, manifest: Manifest): void {
    this.#state.db.change(() => {
      const row = this.#state.row(ino);
      if (row === undefined || !row.contentDirty) return;
      const waitsSinceMs = row.sequence === sequence ? null : this.#state.environment.clock.nowMs();
      this.#state.dirty.uploaded(ino, sequence, manifest, waitsSinceMs);
    });
  }

  followRemote(): readonly Invalidation[] {
    if (this.#plans.get() !== undefined) return [];
    if (this.#state.places.overtaken().length === 0 && this.#state.dirty.gone().length === 0) return [];
    return this.#change((remote, losses) => {
      for (const place of this.#state.places.overtaken()) {
        if (this.#state.dentries.find(place.parent, place.name) === null) remote.show(place, place.remote);
        this.#state.placeChanged(place);
      }
      losses.sweep();
    }).invalidations;
  }

  planCommit(operationsMax: number, _nowMs: number, order: PlanOrder = 'oldestFirst'): PlannedCommit | undefined {
    const unsettled = this.#plans.get();
    if (unsettled !== undefined) return unsettled;
    this.#heldBack.releaseChanged();
    return this.#state.db.change(() => {
      const planLimits = { operationsMax, order, heldBack: this.#heldBack, doubted: this.#doubted };
      const plan = new Planner(this.#state, planLimits).plan();
      if (plan !== undefined) this.#plans.set(plan);
      return plan;
    });
  }

  unsettledCommit(): PlannedCommit | undefined {
    return this.#plans.get();
  }

  settle(plan: PlannedCommit, result: CommitResult, own: readonly ChangeBatch[]): Settled {
    const { value, invalidations } = this.#change((remote, losses, stale) => {
      const settled = new Settling(this.#state, remote, stale, { plan, result, own }).settle();
      this.#plans.clear();
      losses.decide();
      if (result.cursor > this.#cursor) this.#setCursor(result.cursor, result.mark);
      return settled;
    });
    return { ...value, invalidations };
  }

  unfinishedMoves(): readonly ContentMove[] {
    return this.#state.moves.list();
  }

  contentMoved(id: number): void {
    this.#state.db.change(() => this.#state.moves.deleteUpTo(id));
  }

  abandonPlan(_plan: PlannedCommit): void {
    this.#state.db.change(() => {
      for (const place of this.#state.places.planned()) {
        this.#state.places.clearPlanned(place);
        this.#state.placeChanged(place);
      }
      for (const dirty of this.#state.dirty.planned()) {
        this.#state.dirty.planAbandoned(dirty.ino);
        this.#state.collect(dirty.ino);
      }
      this.#plans.clear();
    });
  }

  holdBack(plan: PlannedCommit, isUploadDue: boolean): void {
    const marks = marksOf(plan);
    this.#heldBack.add(marks);
    if (!isUploadDue) return;
    const nowMs = this.#state.environment.clock.nowMs();
    this.#state.db.change(() => {
      for (const { ino, sequence } of marks) {
        if (sequence !== null && this.#state.row(ino)?.contentDirty === true) this.#state.dirty.uploadAgain(ino, nowMs);
      }
    });
  }

  heldBack(): readonly Ino[] {
    return this.#heldBack.list();
  }

  releaseHeldBack(which: 'oldest' | 'all'): readonly InodeId[] {
    return this.#heldBack.release(which);
  }

  /** What a doubted version was made of may be gone on the server too: nothing is taken for being there. */
  #baseOf(row: InodeRow): Manifest | undefined {
    return this.#doubted.has(row.ino) ? undefined : this.#state.manifests.get(row);
  }

  /** One atomic change that tells what it made stale. */
  #change<Value>(body: (remote: RemoteChanges, losses: RemoteLosses, stale: InvalidationSet) => Value): {
    readonly value: Value;
    readonly invalidations: readonly Invalidation[];
  } {
    const stale = new InvalidationSet();
    const remote = new RemoteChanges(this.#state, stale);
    const losses = new RemoteLosses(this.#state, remote, stale);
    const value = this.#state.db.change(() => this.#state.keepingInodes(() => body(remote, losses, stale)));
    return { value, invalidations: stale.list() };
  }

  #setCursor(cursor: Cursor, mark: CommitMark | undefined): void {
    this.#state.settings.set('cursor', String(cursor));
    this.#state.settings.set('mark', mark);
    this.#cursor = cursor;
    this.#mark = mark;
  }
}
