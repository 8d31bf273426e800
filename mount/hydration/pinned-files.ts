import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../protocol/environment.ts';
import { asDriveError, DriveError, isDriveError } from '../../protocol/errors.ts';
import type { ContentFiles } from '../content/content-files.ts';
import type { Invalidation } from '../replica/invalidation.ts';
import { rootIno } from '../replica/local-inode.ts';
import type { Ino, LocalInode } from '../replica/local-inode.ts';
import type { LocalTree } from '../replica/local-tree.ts';
import type { PinTable } from '../replica/pin-table.ts';
import { filesAt, inodeAt } from '../replica/tree-walk.ts';
import type { Hydrator } from './hydrator.ts';

export interface PinnedFilesOptions {
  readonly tree: LocalTree;
  readonly pins: PinTable;
  readonly files: ContentFiles;
  readonly hydrator: Pick<Hydrator, 'ensure'>;
  readonly clock: Clock;
}

/** What an eviction asked for by the user did. */
export interface Evicted {
  /** Bytes of the local disk that are free now. */
  readonly freedBytes: number;
  /** Files that stay: not uploaded yet, pinned, and being read or written by something that cannot wait. */
  readonly dirtyFiles: number;
  readonly pinnedFiles: number;
  readonly busyFiles: number;
}

/** A long file is brought in by pieces, so that an end of the mount does not wait for the whole of it. */
const pieceBytes = 32 * 1024 * 1024;
const filesPerTurn = 64;
const retryMsMin = 1_000;
const retryMsMax = 60_000;
/** Changes made here may bring what is not local into a pinned folder; that is looked for so long after them. */
const localChangeMs = 30_000;

/**
 * Keeps what is pinned on the local disk: brings it in, and new versions and files as they come; a failure is tried
 * again. Also does what the user asks for by path: `pin`, `unpin`, `evict`.
 */
export class PinnedFiles {
  /** Bytes of the pinned files, as of the last look at all of them. */
  pinnedBytes = 0;

  readonly #options: PinnedFilesOptions;
  readonly #closing = new AbortController();
  /** Files and folders that may have something to bring in. */
  readonly #due = new Set<Ino>();
  #isLookDue = true;
  #isLookPlanned = false;
  #running: Promise<void> | undefined;
  #retryMs = retryMsMin;

  constructor(options: PinnedFilesOptions) {
    this.#options = options;
  }

  /** Starts to bring in what is missing of what an earlier run pinned. */
  start(): void {
    this.#wake();
  }

  async close(): Promise<void> {
    this.#closing.abort(new DriveError('cancelled', 'the mount is being stopped'));
    await this.#running;
  }

  /**
   * Pins a file, or a folder with all that is and will be in it, and resolves when it is here whole. Throws `notFound`, and
   * `timeout` after `timeoutMs` or what the server said if it is not: it is pinned all the same, and fetching goes on.
   */
  async pin(path: string, timeoutMs: number): Promise<void> {
    const { tree, pins, clock } = this.#options;
    const { ino, kind } = inodeAt(tree, path);
    if (kind !== 'file' && kind !== 'directory') throw new DriveError('invalidArgument', `a ${kind} has no content`);
    pins.add(ino);
    await tree.durable();
    this.#isLookDue = true;
    const late = new AbortController();
    const timer = new AbortController();
    const timedOut = clock.sleep(timeoutMs, timer.signal).then(
      () => late.abort(new DriveError('timeout', `not all of it came within ${timeoutMs / 1000} s`)),
      () => undefined,
    );
    try {
      await this.#bringAllAt(ino, AbortSignal.any([late.signal, this.#closing.signal]));
    } catch (error) {
      const { code, message } = asDriveError(error);
      const goesOn = 'is pinned, but not all of it is here yet; fetching goes on';
      throw new DriveError(code, `${path} ${goesOn} (${message})`, { cause: error });
    } finally {
      timer.abort();
      await timedOut;
      this.#wake();
    }
  }

  /** Throws `notFound` if the path is not pinned, `invalidArgument` if a folder above it is. */
  async unpin(path: string): Promise<void> {
    const { tree, pins, files } = this.#options;
    const { ino } = inodeAt(tree, path);
    if (!pins.remove(ino)) {
      const root = pins.rootOf(ino);
      if (root === undefined) throw new DriveError('notFound', `${path} is not pinned`);
      throw new DriveError('invalidArgument', `${path} is pinned by ${this.#nameOf(root)}; unpin that instead`);
    }
    await tree.durable();
    this.#isLookDue = true;
    this.#wake();
    await files.trimmed();
  }

  /** Frees the disk of what is uploaded at and below a path. Throws `notFound`, and `invalidArgument` if it is pinned. */
  async evict(path: string): Promise<Evicted> {
    const { tree, pins, files } = this.#options;
    const { ino } = inodeAt(tree, path);
    const root = pins.rootOf(ino);
    if (root !== undefined) {
      throw new DriveError('invalidArgument', `${path} is pinned by ${this.#nameOf(root)}; unpin that first`);
    }
    const done = { freedBytes: 0, dirtyFiles: 0, pinnedFiles: 0, busyFiles: 0 };
    await this.#each(ino, (file) => {
      const outcome = pins.rootOf(file.ino) === undefined ? files.evictFile(file.ino) : 'pinned';
      if (outcome === 'pinned') done.pinnedFiles += 1;
      else if (outcome === 'dirty') done.dirtyFiles += 1;
      else if (outcome === 'inUse') done.busyFiles += 1;
      else done.freedBytes += outcome;
    });
    return done;
  }

  /** The server changed something, which the tree shows. */
  changedRemotely(invalidations: readonly Invalidation[]): void {
    const { tree, pins } = this.#options;
    if (pins.isEmpty) return;
    for (const each of invalidations) {
      if (each.type === 'attributes') continue;
      const ino = each.type === 'content' ? each.ino : tree.lookup(each.parent, each.name)?.ino;
      if (ino !== undefined && pins.rootOf(ino) !== undefined) this.#due.add(ino);
    }
    if (this.#due.size > 0) this.#wake();
  }

  /** Something was changed on this mount. */
  changedHere(): void {
    if (this.#isLookPlanned || this.#options.pins.isEmpty) return;
    this.#isLookPlanned = true;
    void this.#pause(localChangeMs).then(() => {
      this.#isLookPlanned = false;
      this.#isLookDue = true;
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#closing.signal.aborted || (this.#options.pins.isEmpty && !this.#isLookDue)) return;
    this.#running ??= this.#work().finally(() => (this.#running = undefined));
  }

  async #work(): Promise<void> {
    while (!this.#closing.signal.aborted && (this.#isLookDue || this.#due.size > 0)) {
      const isLook = this.#isLookDue;
      this.#isLookDue = false;
      const due = new Set([...(isLook ? this.#options.pins.roots() : []), ...this.#due]);
      this.#due.clear();
      try {
        if (isLook) await this.#count();
        for (const ino of due) await this.#bringAllAt(ino, this.#closing.signal);
        this.#retryMs = retryMsMin;
      } catch {
        // The server is away, or the disk is full: what is missing is looked for again, and reads say what is wrong.
        for (const ino of due) this.#due.add(ino);
        await this.#pause(this.#retryMs);
        this.#retryMs = Math.min(retryMsMax, this.#retryMs * 2);
      }
    }
  }

  async #count(): Promise<void> {
    let bytes = 0;
    for (const root of this.#options.pins.roots()) await this.#each(root, ({ size }) => void (bytes += size));
    this.pinnedBytes = bytes;
  }

  async #bringAllAt(ino: Ino, signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    await this.#each(ino, async (file) => {
      try {
        await this.#bring(file, signal);
      } catch (error) {
        // One damaged file does not keep the others from coming.
        if (!isDriveError(error, 'corrupt') && !isDriveError(error, 'notFound')) throw error;
        failures.push(error);
      }
    });
    if (failures.length > 0) throw failures[0];
  }

  async #bring({ ino }: LocalInode, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { files, hydrator, tree } = this.#options;
    if (tree.inode(ino) === undefined) return;
    const file = files.open(ino);
    try {
      for (let at = 0; !file.isHydrated && at < file.size; at += pieceBytes) {
        await hydrator.ensure(file, at, pieceBytes, signal);
      }
    } finally {
      files.close(file);
    }
  }

  /** Does something with every file at and below an inode, with turns for others in between. */
  async #each(ino: Ino, action: (file: LocalInode) => void | Promise<void>): Promise<void> {
    let count = 0;
    for (const file of filesAt(this.#options.tree, ino)) {
      await action(file);
      count += 1;
      if (count % filesPerTurn === 0) await nextTurn();
    }
  }

  async #pause(ms: number): Promise<void> {
    await this.#options.clock.sleep(ms, this.#closing.signal).catch(() => undefined);
  }

  #nameOf(ino: Ino): string {
    return ino === rootIno ? 'the drive itself' : (this.#options.tree.pathOf(ino) ?? 'a folder that is gone');
  }
}
