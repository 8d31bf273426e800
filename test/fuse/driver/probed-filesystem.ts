import { DriveError, driveErrorCodes } from '../../../protocol/errors.ts';
import { openReplyFlags } from '../../../mount/fuse/constants.ts';
import type { FuseAttributes, FuseOpened, FuseWriteMode, MaybePromise } from '../../../mount/fuse/fuse-filesystem.ts';
import type { RequestContext } from '../../../mount/fuse/request-context.ts';
import { MemoryFilesystem } from './memory-filesystem.ts';

/** The filesystem in memory with handles for tests: errors on demand, answers that wait or come later, counts. */
export class ProbedFilesystem extends MemoryFilesystem {
  /** Inodes whose reads wait until they are interrupted or `letGo` is called. */
  readonly held = new Set<number>();
  /** Inodes whose reads and writes are answered by promises. */
  readonly asynchronous = new Set<number>();
  /** Inodes served by passthrough, and the kernel's number of what backs each. */
  readonly backing = new Map<number, number>();
  readonly counts = { lookups: 0, reads: 0, writes: 0, largestWriteBytes: 0, waiting: 0, interrupted: 0 };
  #letGo = Promise.withResolvers<void>();

  letGo(): void {
    this.#letGo.resolve();
    this.#letGo = Promise.withResolvers<void>();
  }

  /** "held" waits as a held read does, "error-CODE" fails with that code, "error-defect" with what no handler should throw. */
  override lookup(context: RequestContext, parent: number, name: string): MaybePromise<FuseAttributes | undefined> {
    this.counts.lookups += 1;
    if (name === 'held') return this.#hold(context, () => super.lookup(context, parent, name));
    if (name === 'error-defect') throw new TypeError('a defect, made for the test');
    const code = driveErrorCodes.find((known) => name === `error-${known}`);
    if (code !== undefined) throw new DriveError(code, 'made for the test');
    return super.lookup(context, parent, name);
  }

  override open(context: RequestContext, ino: number, flags: number, killPrivileges: boolean): FuseOpened {
    const opened = super.open(context, ino, flags, killPrivileges);
    const backingId = this.backing.get(ino);
    return backingId === undefined ? opened : { fh: ino, openFlags: openReplyFlags.passthrough, backingId };
  }

  override read(
    context: RequestContext,
    ino: number,
    fh: number,
    offset: number,
    target: Uint8Array,
  ): MaybePromise<number> {
    this.counts.reads += 1;
    if (this.held.has(ino)) return this.#hold(context, () => super.read(context, ino, fh, offset, target));
    if (this.asynchronous.has(ino)) return nextTurn().then(() => super.read(context, ino, fh, offset, target));
    return super.read(context, ino, fh, offset, target);
  }

  override write(
    context: RequestContext,
    ino: number,
    fh: number,
    offset: number,
    data: Uint8Array,
    how: FuseWriteMode,
  ): MaybePromise<number> {
    this.counts.writes += 1;
    this.counts.largestWriteBytes = Math.max(this.counts.largestWriteBytes, data.length);
    if (this.asynchronous.has(ino)) return nextTurn().then(() => super.write(context, ino, fh, offset, data, how));
    return super.write(context, ino, fh, offset, data, how);
  }

  async #hold<Value>(context: RequestContext, answer: () => MaybePromise<Value>): Promise<Value> {
    this.counts.waiting += 1;
    const aborted = Promise.withResolvers<never>();
    context.signal.addEventListener('abort', () => {
      this.counts.interrupted += 1;
      aborted.reject(new DriveError('cancelled', 'the reader gave up'));
    });
    try {
      await Promise.race([this.#letGo.promise, aborted.promise]);
    } finally {
      this.counts.waiting -= 1;
    }
    return answer();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
