import { makeId, versionZero } from '../../protocol/ids.ts';
import type { ClientCommitId } from '../../protocol/ids.ts';
import type { InodeAttributes } from '../../protocol/inode-state.ts';
import { limits } from '../../protocol/limits.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { Operation, Place } from '../../protocol/operations.ts';
import { Difference, differingKey, isSamePlace } from './difference.ts';
import type { Differing } from './difference.ts';
import type { LocalPlace } from './dentry-table.ts';
import { attributeBits } from './dirty-inodes.ts';
import type { DirtyPlace } from './dirty-places.ts';
import type { DoubtedVersions } from './doubted-versions.ts';
import type { HeldBack } from './held-back.ts';
import type { InodeRow } from './inode-table.ts';
import type { Ino } from './local-inode.ts';
import { PlanGraph } from './plan-graph.ts';
import type { MarkedOperation, OperationMark } from './planned-commit.ts';
import type { ReplicaState } from './replica-state.ts';
import type { PlannedCommit, PlanOrder } from './synced-tree.ts';

const pageSize = 500;
const nothing = { place: null, from: null, sequence: null } as const;

export interface PlanLimits {
  readonly operationsMax: number;
  readonly order: PlanOrder;
  /** What is left out, with what depends on it. */
  readonly heldBack: Pick<HeldBack, 'has'>;
  readonly doubted: Pick<DoubtedVersions, 'baseOf'>;
}

/**
 * Plans one commit: turns the difference between what is visible and what is agreed into operations, oldest first. What
 * belongs together (the two ends of a move, a file and what it replaces, a new folder and what is in it) goes into one
 * commit or, where it only must come after, into a later one.
 */
export class Planner {
  readonly #state: ReplicaState;
  readonly #difference: Difference;
  readonly #graph: PlanGraph<Differing>;
  readonly #blocked = new Set<number>();
  readonly #operations: MarkedOperation[] = [];
  readonly #contents = new Map<Ino, number | null>();
  readonly #operationsMax: number;
  readonly #limits: PlanLimits;
  #manifestEntries = 0;

  constructor(state: ReplicaState, planLimits: PlanLimits) {
    this.#state = state;
    this.#limits = planLimits;
    this.#operationsMax = Math.min(planLimits.operationsMax, limits.commitOperationsMax);
    this.#difference = new Difference(state);
    this.#graph = new PlanGraph(differingKey, (node) => this.#difference.edgesOf(node));
  }

  /** The next commit, marked as planned in the tables; `undefined` if nothing can be committed now. */
  plan(): PlannedCommit | undefined {
    for (const seed of this.#seeds()) if (!this.#addAllFrom(seed)) break;
    if (this.#operations.length === 0) return undefined;
    this.#markPlaces();
    for (const [ino, sequence] of this.#contents) this.#state.dirty.setPlanned(ino, sequence);
    const { clock, randomness } = this.#state.environment;
    return {
      clientCommitId: makeId<ClientCommitId>(clock, randomness),
      operations: this.#operations.map((each) => each.operation),
      marks: this.#operations.map((each) => each.mark),
    };
  }

  *#seeds(): Generator<Differing> {
    if (this.#limits.order === 'removalsFirst') {
      for (const place of this.#places()) {
        if (this.#difference.gained(place) === null) yield { type: 'place', place };
      }
    }
    for (const place of this.#places()) yield { type: 'place', place };
    for (let after = 0; ;) {
      const page = this.#state.dirty.page(after, pageSize);
      for (const { ino } of page) yield { type: 'inode', ino };
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.ino;
    }
  }

  *#places(): Generator<DirtyPlace> {
    for (let after = 0; ;) {
      const page = this.#state.places.page(after, pageSize);
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.seq;
    }
  }

  /** Adds what the seed needs and the seed; returns `false` once the commit is full. */
  #addAllFrom(seed: Differing): boolean {
    for (const component of this.#graph.from(seed)) {
      const number = this.#graph.componentOf(component[0] ?? seed) ?? 0;
      if (this.#isBlocked(component)) {
        this.#blocked.add(number);
        continue;
      }
      const operations = component.flatMap((node) => this.#operationsOf(node));
      const entries = operations.reduce((sum, each) => sum + manifestEntriesOf(each.operation), 0);
      const isFirst = this.#operations.length === 0;
      const fits =
        this.#operations.length + operations.length <= this.#operationsMax &&
        this.#manifestEntries + entries <= limits.commitManifestEntriesMax;
      if (!fits && !isFirst) return false;
      this.#take(operations);
      this.#manifestEntries += entries;
      if (!fits) return false;
    }
    return this.#operations.length < this.#operationsMax;
  }

  #take(operations: readonly MarkedOperation[]): void {
    this.#operations.push(...operations);
    for (const { operation, mark } of operations) {
      if (operation.type === 'create' || operation.type === 'content') this.#contents.set(mark.ino, mark.sequence);
      if (operation.type === 'attributes' && !this.#contents.has(mark.ino)) this.#contents.set(mark.ino, null);
    }
  }

  /** Notes where each place named by the plan leads once it took effect; that need not be all that was changed there. */
  #markPlaces(): void {
    for (const { operation, mark } of this.#operations) {
      if (mark.from !== null) this.#state.places.setPlanned(mark.from, null);
      if (operation.type === 'unlink' && mark.place !== null) this.#state.places.setPlanned(mark.place, null);
    }
    for (const { operation, mark } of this.#operations) {
      if (operation.type !== 'unlink' && mark.place !== null) this.#state.places.setPlanned(mark.place, mark.ino);
    }
  }

  #isBlocked(component: readonly Differing[]): boolean {
    return component.some(
      (node) => this.#cannotGo(node) || this.#difference.edgesOf(node).some((edge) => this.#isBlockedEdge(edge)),
    );
  }

  #isBlockedEdge(edge: Differing): boolean {
    const component = this.#graph.componentOf(edge);
    return component !== undefined && this.#blocked.has(component);
  }

  /** Whether the server refused it lately, or what stands at the place now must not be shown to others yet. */
  #cannotGo(node: Differing): boolean {
    const { heldBack } = this.#limits;
    if (node.type === 'inode') return heldBack.has(node.ino);
    const lost = this.#difference.lost(node.place);
    if (lost !== null && heldBack.has(lost)) return true;
    const gained = this.#difference.gained(node.place);
    if (gained === null) return false;
    if (heldBack.has(gained)) return true;
    const row = this.#difference.row(gained);
    if (row === undefined || !row.known) return true;
    const isFresh = node.place.remote === null && this.#difference.isCreated(gained);
    return !this.#difference.isContentReady(row, !isFresh);
  }

  #operationsOf(node: Differing): MarkedOperation[] {
    return node.type === 'inode' ? this.#inodeOperations(node.ino) : this.#placeOperations(node.place);
  }

  #placeOperations(place: DirtyPlace): MarkedOperation[] {
    const operations: MarkedOperation[] = [];
    const lost = this.#difference.lost(place);
    const lostRow = lost === null ? undefined : this.#difference.row(lost);
    const move = lost === null ? undefined : this.#difference.move(lost);
    const isMoved = move !== undefined && isSamePlace(move.from, place);
    if (lostRow !== undefined && !isMoved) {
      const base = lostRow.kind === 'file' ? place.baseVersion : versionZero;
      operations.push({
        operation: { type: 'unlink', ...this.#place(place), inode: lostRow.id, base, recursive: false },
        mark: { ...nothing, ino: lostRow.ino, place: plain(place) },
      });
    }
    const gained = this.#difference.gained(place);
    const row = gained === null ? undefined : this.#difference.row(gained);
    if (row !== undefined) operations.push(...this.#giveOperation(place, row));
    return operations;
  }

  #giveOperation(place: DirtyPlace, row: InodeRow): MarkedOperation[] {
    const mark: OperationMark = { ...nothing, ino: row.ino, place: plain(place) };
    if (this.#difference.isCreated(row.ino)) {
      const first = this.#difference.creationPlace(row.ino);
      if (first !== undefined && isSamePlace(first, place)) return [this.#create(place, row)];
      return [{ operation: { type: 'link', ...this.#place(place), inode: row.id }, mark }];
    }
    const move = this.#difference.move(row.ino);
    if (move !== undefined && isSamePlace(move.to, place)) {
      const operation = { type: 'move', inode: row.id, from: this.#place(move.from), to: this.#place(place) } as const;
      return [{ operation, mark: { ...mark, from: plain(move.from) } }];
    }
    // A folder that the server has elsewhere, or does not have any more, is not moved by us: settling follows it.
    if (row.kind === 'directory' || this.#difference.dirty(row.ino)?.remoteGone === true) return [];
    return [{ operation: { type: 'link', ...this.#place(place), inode: row.id }, mark }];
  }

  #create(place: DirtyPlace, row: InodeRow): MarkedOperation {
    const manifest = row.contentDirty ? (this.#state.dirty.uploadedManifest(row.ino) ?? null) : null;
    const sequence = row.contentDirty ? (this.#difference.dirty(row.ino)?.uploadedSequence ?? null) : null;
    return {
      operation: {
        ...{ type: 'create', ...this.#place(place), inode: row.id, kind: row.kind, rdev: row.rdev },
        ...{ target: row.target, manifest, mode: row.mode, uid: row.uid, gid: row.gid, mtimeNs: row.mtimeNs },
        ...{ ctimeNs: row.ctimeNs, xattrs: this.#state.xattrs.all(row.ino) },
      },
      mark: { ino: row.ino, place: plain(place), from: null, sequence },
    };
  }

  #inodeOperations(ino: Ino): MarkedOperation[] {
    const row = this.#difference.row(ino);
    const dirty = this.#difference.dirty(ino);
    if (row === undefined || dirty === undefined || !row.known || dirty.created || row.nlink === 0) return [];
    if (dirty.remoteGone && row.kind === 'directory') return [];
    const operations: MarkedOperation[] = [];
    const manifest = row.contentDirty ? this.#state.dirty.uploadedManifest(ino) : undefined;
    if (manifest !== undefined) {
      const { mtimeNs, ctimeNs } = row;
      const base = this.#limits.doubted.baseOf(row);
      operations.push({
        operation: { type: 'content', inode: row.id, base, manifest, mtimeNs, ctimeNs },
        mark: { ...nothing, ino, sequence: dirty.uploadedSequence },
      });
    } else if (dirty.remoteGone) {
      return [];
    }
    const carried = manifest === undefined ? 0 : attributeBits.mtimeNs | attributeBits.ctimeNs;
    const set = changedAttributes(row, dirty.attributes & ~carried);
    const xattrs = new Map<string, Uint8Array | null>();
    for (const { name, dirty: changed } of this.#state.dirty.xattrs(ino)) {
      if (changed === 1) xattrs.set(name, this.#state.xattrs.get(ino, name) ?? null);
    }
    if (Object.keys(set).length > 0 || xattrs.size > 0) {
      const operation: Operation = { type: 'attributes', inode: row.id, set, xattrs };
      operations.push({ operation, mark: { ...nothing, ino } });
    }
    return operations;
  }

  #place(place: LocalPlace): Place {
    const parent = this.#difference.row(place.parent);
    if (parent === undefined) throw new Error(`the folder ${place.parent} of a dirty place is not there`);
    return { parent: parent.id, name: place.name };
  }
}

function plain(place: LocalPlace): LocalPlace {
  return { parent: place.parent, name: place.name };
}

function changedAttributes(row: InodeRow, bits: number): Partial<InodeAttributes> {
  return {
    ...((bits & attributeBits.mode) === 0 ? {} : { mode: row.mode }),
    ...((bits & attributeBits.uid) === 0 ? {} : { uid: row.uid }),
    ...((bits & attributeBits.gid) === 0 ? {} : { gid: row.gid }),
    ...((bits & attributeBits.mtimeNs) === 0 ? {} : { mtimeNs: row.mtimeNs }),
    ...((bits & attributeBits.ctimeNs) === 0 ? {} : { ctimeNs: row.ctimeNs }),
  };
}

function manifestEntriesOf(operation: Operation): number {
  const manifest: Manifest | null =
    operation.type === 'create' || operation.type === 'content' ? operation.manifest : null;
  return manifest?.entries.length ?? 0;
}
