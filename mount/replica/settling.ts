import type { ChangeBatch } from '../../protocol/changes.ts';
import { makeId, versionZero } from '../../protocol/ids.ts';
import type { InodeId, Version } from '../../protocol/ids.ts';
import { manifestSize } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { CommitResult, Operation, Outcome } from '../../protocol/operations.ts';
import type { LocalPlace } from './dentry-table.ts';
import { isSamePlace } from './difference.ts';
import { mergeDirectory } from './directory-merge.ts';
import type { DirtyPlace } from './dirty-places.ts';
import type { InodeRow } from './inode-table.ts';
import type { InvalidationSet } from './invalidation-set.ts';
import type { Ino } from './local-inode.ts';
import { marksOf } from './planned-commit.ts';
import type { OperationMark } from './planned-commit.ts';
import type { RemoteChanges } from './remote-changes.ts';
import type { ReplicaState } from './replica-state.ts';
import type { ContentMove, DrainedContent, PlannedCommit, Settled } from './synced-tree.ts';

interface Step {
  readonly operation: Operation;
  readonly outcome: Outcome;
  readonly mark: OperationMark;
}

const emptyManifest: Manifest = { profile: '', entries: [] };

/**
 * Takes in what became of one plan. What was carried and has not changed here since is agreed on then, as the server
 * has it; what changed since stays dirty on top of it.
 */
export class Settling {
  readonly #state: ReplicaState;
  readonly #remote: RemoteChanges;
  readonly #stale: InvalidationSet;
  readonly #steps: readonly Step[];
  readonly #version: Version;
  readonly #corrections: CommitResult['corrections'];
  readonly #own: readonly ChangeBatch[];
  /** Directories that the server has as another one. */
  readonly #merged = new Map<Ino, Ino>();
  readonly #contentMoves: ContentMove[] = [];
  readonly #cleaned: Ino[] = [];
  readonly #drained: DrainedContent[] = [];
  readonly #conflicts: Settled['conflicts'][number][] = [];

  constructor(
    state: ReplicaState,
    remote: RemoteChanges,
    stale: InvalidationSet,
    commit: { readonly plan: PlannedCommit; readonly result: CommitResult; readonly own: readonly ChangeBatch[] },
  ) {
    this.#state = state;
    this.#remote = remote;
    this.#stale = stale;
    this.#own = commit.own;
    this.#corrections = commit.result.corrections;
    this.#version = commit.result.cursor as number as Version;
    const marks = marksOf(commit.plan);
    this.#steps = commit.plan.operations.flatMap((operation, at) => {
      const outcome = commit.result.outcomes[at];
      const mark = marks[at];
      return outcome === undefined || mark === undefined ? [] : [{ operation, outcome, mark }];
    });
  }

  /** All but the cursor and what lost names, which the caller finishes. */
  settle(): Omit<Settled, 'invalidations'> {
    for (const step of this.#steps) if (step.outcome.type === 'merged') this.#merge(step, step.outcome.inode);
    for (const step of this.#steps) this.#content(step);
    for (const dirty of this.#state.dirty.planned()) this.#state.dirty.planSettled(dirty.ino);
    for (const step of this.#steps) if (isGone(step)) this.#remake(step);
    const planned = this.#state.places.planned().map((place) => ({ place, unchanged: this.#isUnchanged(place) }));
    // Of what was not applied as asked for, the commit's own changes tell. For them too, a move of ours is none of the server's.
    for (const step of this.#steps) this.#expect(step);
    for (const step of this.#steps) this.#followCopy(step, planned);
    for (const batch of this.#own) for (const change of batch.changes) this.#remote.apply(change);
    for (const change of this.#corrections) this.#remote.apply(change);
    for (const { place, unchanged } of planned) this.#settlePlace(place, unchanged);
    for (const { mark } of this.#steps) {
      const row = this.#state.row(mark.ino);
      if (row !== undefined) this.#state.dirty.dropIfClean(row.ino, row.contentDirty);
    }
    return {
      contentMoves: this.#contentMoves,
      cleaned: this.#cleaned,
      drained: this.#drained,
      conflicts: this.#conflicts,
    };
  }

  #merge(step: Step, survivor: InodeId): void {
    if (step.operation.type !== 'create') return;
    const into = this.#remote.ensure(survivor);
    if (into === step.mark.ino) return;
    this.#merged.set(step.mark.ino, into);
    mergeDirectory(this.#state, this.#remote, this.#stale, step.mark.ino, into, step.mark.place);
  }

  #content({ operation, outcome, mark }: Step): void {
    if (operation.type !== 'create' && operation.type !== 'content') return;
    const row = this.#state.row(mark.ino);
    if (row === undefined || row.kind !== 'file') return;
    if (outcome.type === 'refused' || outcome.type === 'merged') return;
    const manifest = operation.manifest ?? emptyManifest;
    if (operation.type === 'content' && outcome.type === 'conflictedCopy') {
      this.#conflicts.push({ inode: outcome.inode, place: outcome.place });
      this.#moveAside(row, outcome.inode, manifest, mark.sequence);
      return;
    }
    if (outcome.type === 'conflictedCopy') {
      this.#conflicts.push({ inode: outcome.inode, place: outcome.place });
      this.#state.db.run('insert into conflicts (ino) values (?) on conflict (ino) do nothing', row.ino);
    }
    const seen = operation.type === 'content' ? operation.base : versionZero;
    for (const place of this.#state.places.withBase(row.ino)) {
      if (place.baseVersion === seen) this.#state.places.setBase(place, row.ino, this.#version);
    }
    this.#state.db.run(
      'update dirty_places set seen_version = ? where planned = ? and seen_version = ?',
      ...[this.#version, row.ino, seen],
    );
    this.#committed(row, manifest, mark.sequence);
  }

  /** The content of this sequence is version `#version` now. */
  #committed(row: InodeRow, manifest: Manifest, sequence: number | null): void {
    const isLatest = !row.contentDirty || row.sequence === sequence;
    const size = manifestSize(manifest);
    if (isLatest) this.#state.inodes.setClean(row, size, this.#version);
    else this.#state.inodes.setDirty(row, row.size, this.#version, size);
    this.#state.manifests.set(row, this.#version, manifest);
    this.#state.remoteHeads.delete(row.ino);
    if (isLatest) {
      this.#state.dirty.contentClean(row.ino);
      this.#cleaned.push(row.ino);
    } else if (this.#state.dirty.get(row.ino)?.uploadedSequence === sequence) {
      this.#state.db.run(
        'update dirty_inodes set uploaded_sequence = null, uploaded_manifest = null where ino = ?',
        row.ino,
      );
    }
    if (sequence !== null) this.#drained.push({ ino: row.ino, sequence, manifest });
  }

  /** The content lost against a newer head: it goes to an inode of its own, and this one takes the head. */
  #moveAside(row: InodeRow, copy: InodeId, manifest: Manifest, sequence: number | null): void {
    if (!row.contentDirty) return; // removed here since: the copy is just a file of the server's
    const ino = this.#remote.ensure(copy);
    const made = this.#state.row(ino);
    if (made === undefined) return;
    this.#state.inodes.setKind(ino, 'file', 0, null);
    this.#state.inodes.setAttributes(ino, row);
    const isLatest = row.sequence === sequence;
    if (isLatest) this.#state.inodes.setClean(made, row.size, this.#version);
    else this.#state.inodes.setDirty(made, row.size, this.#version, manifestSize(manifest));
    this.#state.inodes.setSequence(ino, row.sequence);
    this.#state.manifests.set(made, this.#version, manifest);
    if (isLatest) this.#cleaned.push(ino);
    else this.#state.dirty.contentChanged(ino, this.#state.environment.clock.nowMs());
    this.#state.revertContent(row);
    this.#stale.content(row.ino);
    this.#state.db.run('insert into conflicts (ino) values (?) on conflict (ino) do nothing', ino);
    this.#contentMoves.push(this.#state.moves.add(row.ino, ino));
    if (sequence !== null) this.#drained.push({ ino, sequence, manifest });
  }

  /** The server knows nothing of this inode any more: its content is sent as that of a new one. */
  #remake({ mark }: Step): void {
    const row = this.#state.row(mark.ino);
    if (row === undefined || !row.contentDirty) return;
    const { clock, randomness } = this.#state.environment;
    const id = makeId<InodeId>(clock, randomness);
    this.#state.inodes.renew(row.ino, id);
    this.#state.db.run('update dirty_inodes set created = 1, remote_gone = 0 where ino = ?', row.ino);
    for (const place of this.#state.dentries.namesOf(row.ino)) {
      const dirty = this.#state.places.get(place);
      if (dirty === undefined) this.#state.places.add(place, null, versionZero, null);
      else this.#state.places.setBase(place, null, versionZero);
    }
  }

  #isUnchanged(place: DirtyPlace): boolean {
    return this.#state.dentries.find(place.parent, place.name) === place.planned;
  }

  /** Where an operation was applied, the server has what it wanted. */
  #expect({ operation, outcome, mark }: Step): void {
    if (outcome.type !== 'applied' || mark.place === null) return;
    const given = operation.type === 'unlink' ? null : mark.ino;
    if (mark.from !== null) this.#expectAt(mark.from, mark.ino, null);
    this.#expectAt(mark.place, mark.ino, given);
  }

  #expectAt(where: LocalPlace, ino: Ino, given: Ino | null): void {
    const place = this.#here(where);
    const dirty = this.#state.places.get(place);
    if (dirty === undefined) return;
    // A place that one operation takes away and another gives leads to what is given.
    if (given === null && dirty.remote !== ino) return;
    this.#state.places.setRemote(place, given);
  }

  /** The place as it is called here now: its folder may have become one with another. */
  #here({ parent, name }: LocalPlace): LocalPlace {
    return { parent: this.#merged.get(parent) ?? parent, name };
  }

  /**
   * What was sent stands under another name. If it was moved or removed here since, that goes for the new name: the
   * user had seen what is there.
   */
  #followCopy(
    { operation, outcome, mark }: Step,
    planned: readonly { readonly place: DirtyPlace; readonly unchanged: boolean }[],
  ): void {
    if (outcome.type !== 'conflictedCopy' && outcome.type !== 'restored') return;
    if (operation.type === 'content' && outcome.type === 'conflictedCopy') return;
    const parent = this.#state.inodes.byId(outcome.place.parent);
    const row = this.#state.row(mark.ino);
    if (parent === undefined || row === undefined) return;
    const there = { parent: parent.ino, name: outcome.place.name };
    const asked = mark.place === null ? null : this.#here(mark.place);
    const isElsewhere =
      asked === null
        ? this.#keepsName(mark.ino, planned)
        : planned.some(({ place, unchanged }) => isSamePlace(place, asked) && !unchanged);
    const visible = this.#state.dentries.find(there.parent, there.name);
    if (!isElsewhere || visible === mark.ino || this.#state.places.get(there) !== undefined) return;
    this.#state.places.add(there, mark.ino, this.#version, null);
    if (visible !== null) this.#state.setVisible(there, null);
  }

  /** Whether the inode will have a name here that the user gave it, once all that was planned is settled. */
  #keepsName(ino: Ino, planned: readonly { readonly place: DirtyPlace; readonly unchanged: boolean }[]): boolean {
    return this.#state.dentries.namesOf(ino).some((name) => {
      const sent = planned.find(({ place }) => isSamePlace(place, name));
      if (sent?.unchanged !== true) return true;
      // The server has its own idea of a place whose operation was not applied, and that is what will be shown.
      return this.#steps.some(
        ({ operation, outcome, mark }) =>
          mark.ino === ino &&
          mark.place !== null &&
          isSamePlace(this.#here(mark.place), name) &&
          outcome.type === 'applied' &&
          operation.type !== 'unlink',
      );
    });
  }

  /** The version that was seen by who took the planned inode away from the place again. */
  #seenVersion(place: LocalPlace): Version | null {
    const row = this.#state.db.get(
      'select seen_version as version from dirty_places where parent = ? and name = ?',
      ...[place.parent, place.name],
    ) as { version: Version | null } | undefined;
    return row?.version ?? null;
  }

  #settlePlace(planned: DirtyPlace, unchanged: boolean): void {
    const place = this.#state.places.get(planned);
    if (place === undefined) return;
    this.#state.places.clearPlanned(place);
    if (unchanged) {
      this.#remote.show(place, place.remote);
      this.#state.forgetPlace(place);
      return;
    }
    const seen = planned.planned;
    const row = seen === null ? undefined : this.#state.row(seen);
    this.#state.places.setBase(place, seen, this.#seenVersion(place) ?? row?.version ?? versionZero);
    const visible = this.#state.dentries.find(place.parent, place.name);
    if (visible === null && place.remote !== seen) this.#remote.show(place, place.remote);
    this.#state.placeChanged(place);
  }
}

/** Whether content was refused because history does not know its inode any more. */
function isGone({ operation, outcome }: Step): boolean {
  return operation.type === 'content' && outcome.type === 'refused';
}
