import type { ChangeBatch } from '../../protocol/changes.ts';
import { isDriveError } from '../../protocol/errors.ts';
import type { CommitMark, Cursor } from '../../protocol/ids.ts';
import type { CommitResult } from '../../protocol/operations.ts';
import type { Invalidation } from '../replica/invalidation.ts';
import type { PlannedCommit, PlanOrder } from '../replica/synced-tree.ts';
import type { SyncOptions } from './sync-options.ts';

/**
 * What the server and the replica say to each other, one exchange at a time, and with it the order in which server, replica
 * and content files learn of a commit. The process or the machine may end between any two steps:
 *
 * - after blocks were sent, before `contentUploaded` is on the disk: the file is cut again, and `have` finds its blocks there.
 * - after a plan was made: it is on the disk before it is sent, and is sent again under the same id.
 * - after the server committed it: sending it again gives the result of the first time.
 * - within `settle`: it is one transaction of the replica, so this is one of the two points around it.
 * - after `settle`, before the content is moved: the moves are in that transaction, and `ContentFiles` makes them at the next
 *   start before anything else. Nothing is awaited between the two, so nobody writes in between.
 * - after a move, before the replica forgets it: the ledger has the move's id in the transaction that made it, on the disk
 *   before the replica is told, and does not make it again.
 * - after `settle`, before `drained`: the content counts as dirty over the older base, which is more than what differs. The
 *   other order cannot happen: `drained` comes after the replica's part is on the disk.
 * - after `replaced`, before the replica's new version is on the disk: only content without local changes is replaced, and
 *   that is fetched again whichever version is found.
 * - after a name was taken away, before that is on the disk: content that only this device has is deleted after it
 *   (`CondemnedFiles`), so a name that comes back has its bytes.
 */
export class Exchange {
  readonly #options: SyncOptions;
  readonly #onError: (error: unknown) => void;

  constructor(options: SyncOptions, onError: (error: unknown) => void) {
    this.#options = options;
    this.#onError = onError;
  }

  /** Applies all that the server has, up to `upTo` if it is given. Must not run while a commit's result is unknown. */
  async pull(upTo?: Cursor): Promise<void> {
    const { tree } = this.#options;
    try {
      await this.#pullFrom(tree.cursor(), upTo, tree.mark());
    } catch (error) {
      if (!isDriveError(error, 'gone')) throw error;
      await this.reload();
    }
  }

  /** Loads the whole tree anew beneath what is dirty. */
  async reload(): Promise<void> {
    await this.#pullFrom(0 as Cursor);
  }

  /** The next plan; `undefined` if there is nothing that could be committed now. */
  plan(operationsMax: number, order: PlanOrder): PlannedCommit | undefined {
    const { tree, clock } = this.#options;
    this.#tell(tree.followRemote());
    return tree.planCommit(operationsMax, clock.nowMs(), order);
  }

  /** Sends a plan, and takes in what came of it. Repeating it after any failure is safe: its id tells it from others. */
  async commit(plan: PlannedCommit): Promise<void> {
    const { tree, content } = this.#options;
    // A plan whose commit is known to the server must be known here after a crash.
    await tree.durable();
    const result = await this.#send(plan);
    if (result === undefined) return;
    const before = (result.cursor - 1) as Cursor;
    if (tree.cursor() < before) await this.pull(before);
    const isOvertaken = tree.cursor() > result.cursor;
    const isPlain = result.outcomes.every((outcome) => outcome.type === 'applied');
    if (isPlain && tree.cursor() < result.cursor && !(await this.#isOwn(plan, result.cursor)))
      await this.pull(result.cursor);
    const own = isPlain || tree.cursor() >= result.cursor ? [] : await this.#batchesOf(result.cursor);
    const settled = tree.settle(plan, result, own);
    // Bytes move together with what the replica says of them, and after that is on the disk: no waiting here.
    if (settled.contentMoves.length > 0) tree.durableNow();
    for (const move of settled.contentMoves) {
      content.move(move);
      tree.contentMoved(move.id);
    }
    this.#tell(settled.invalidations);
    // After a crash, the content must not know of a newer base than the replica.
    if (settled.drained.length > 0) await tree.durable();
    for (const { ino, sequence, manifest } of settled.drained) content.drained(ino, sequence, manifest);
    if (isOvertaken) await this.reload();
  }

  /** The result; `undefined` if the server's history is not the one that the plan was made on: the tree is loaded anew. */
  async #send(plan: PlannedCommit): Promise<CommitResult | undefined> {
    const { tree, metadata, namespace } = this.#options;
    const { clientCommitId, operations } = plan;
    const mark = tree.mark();
    const after = mark === undefined ? {} : { after: { cursor: tree.cursor(), mark } };
    try {
      return await metadata.commit(namespace, { clientCommitId, operations, onConflict: 'resolve', ...after });
    } catch (error) {
      if (!isDriveError(error, 'gone')) throw error;
      tree.abandonPlan(plan);
      await this.reload();
      return undefined;
    }
  }

  async #pullFrom(from: Cursor, upTo?: Cursor, mark?: CommitMark): Promise<void> {
    const { tree, metadata, namespace } = this.#options;
    let isSnapshotDue = from === 0;
    for await (const batch of metadata.changes(namespace, from, upTo, mark)) {
      if (isSnapshotDue) tree.startSnapshot();
      isSnapshotDue = false;
      this.#tell(tree.applyRemote(batch));
      if (batch.last) this.#options.applied?.(batch.cursor);
    }
  }

  /**
   * Whether the commit at `cursor` is that of the plan. It is somebody else's if all that the plan wanted was so already, since then
   * nothing was committed; what else is in it is not known here yet.
   */
  async #isOwn({ clientCommitId, operations }: PlannedCommit, cursor: Cursor): Promise<boolean> {
    if (operations.some(({ type }) => type === 'create')) return true; // a new inode was not there already
    const after = (cursor - 1) as Cursor;
    for await (const batch of this.#options.metadata.changes(this.#options.namespace, after, cursor)) {
      return batch.clientCommitId === clientCommitId;
    }
    return true;
  }

  async #batchesOf(cursor: Cursor): Promise<readonly ChangeBatch[]> {
    const batches: ChangeBatch[] = [];
    const after = (cursor - 1) as Cursor;
    for await (const batch of this.#options.metadata.changes(this.#options.namespace, after, cursor)) {
      if (batch.cursor === cursor) batches.push(batch);
    }
    return batches;
  }

  #tell(invalidations: readonly Invalidation[]): void {
    if (invalidations.length === 0) return;
    for (const each of invalidations) if (each.type === 'content') this.#options.content.replaced(each.ino);
    // Not awaited: the kernel may first want an answer that itself waits for a commit.
    this.#options.invalidate(invalidations).catch(this.#onError);
  }
}
