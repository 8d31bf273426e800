import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BlockFrame } from '../../protocol/block-service.ts';
import { DriveError } from '../../protocol/errors.ts';
import { encodeManifest } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { DrainSource } from '../content/content-store.ts';
import { InProcessPipeline } from './block-pipeline.ts';
import type { BlockPipeline, PlacedBlock } from './block-pipeline.ts';
import { PipelineThread, ThreadLost } from './pipeline-thread.ts';

/** Below so many bytes a trip to the thread and back costs this thread more than the work itself. */
const inProcessBytesMax = 32 * 1024;
/** So long this thread works on small files before the event loop, which answers the kernel, has its turn. */
const workMsMax = 1;
/** A cut holds 4 MiB, so only so many run at a time. */
const cutsMax = 2;

const defaultScript = new URL('./pipeline-worker.ts', import.meta.url);

/**
 * Cuts and frames in a worker thread, so that the event loop stays free; small files where the caller is, in short
 * turns. A thread that dies is replaced, and what it had to do is tried once more. The thread starts with the first
 * file that is for it.
 */
export class WorkerPipeline implements BlockPipeline {
  readonly #script: URL;
  readonly #inProcess = new InProcessPipeline();
  readonly #cuts = new Turns(cutsMax);
  #thread: PipelineThread | undefined;
  #isClosed = false;
  #workSinceMs = 0;
  #turn: Promise<void> | undefined;

  /** `script`: another worker, for tests of what happens when it fails. */
  constructor(script: URL = defaultScript) {
    this.#script = script;
  }

  async cut(source: DrainSource, base: Manifest | undefined): Promise<Manifest> {
    const { path, size, dataRanges, dirtyRanges } = source;
    if (path === null || size <= inProcessBytesMax) {
      await this.#shareThread();
      return this.#inProcess.cut(source, base);
    }
    const isRecut = base !== undefined && base.entries.length > 0;
    return this.#cuts.run(() =>
      this.#onThread((thread) => {
        const isLocal = source.isLocal(0, size);
        const encoded = isRecut ? encodeManifest(base) : undefined;
        return thread.cut({ type: 'cut', path, size, dataRanges, dirtyRanges, base: encoded, isLocal }, source);
      }),
    );
  }

  async frame(source: DrainSource, block: PlacedBlock): Promise<BlockFrame | undefined> {
    const { path } = source;
    const { hash, offset, length } = block;
    if (path === null || length <= inProcessBytesMax || !source.isLocal(offset, length)) {
      await this.#shareThread();
      return this.#inProcess.frame(source, block);
    }
    if (offset + length > source.size) return undefined;
    const framed = await this.#onThread((thread) =>
      thread.frame({ type: 'frame', path, block: { hash, offset, length } }, source),
    );
    return framed && { hash, length, ...framed };
  }

  /** Ends the thread; what it is doing is given up with `cancelled`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.terminate();
  }

  async #onThread<Result>(work: (thread: PipelineThread) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt += 1) {
      if (this.#isClosed) throw new DriveError('cancelled', 'the mount is being stopped');
      if (this.#thread === undefined || this.#thread.isLost) this.#thread = new PipelineThread(this.#script);
      try {
        return await work(this.#thread);
      } catch (error) {
        if (!(error instanceof ThreadLost)) throw error;
        if (this.#isClosed) throw new DriveError('cancelled', 'the mount is being stopped', { cause: error });
        if (attempt === 2) throw new DriveError('internal', error.message, { cause: error });
      }
    }
  }

  /** Lets the event loop turn if small files have kept it for long enough. */
  async #shareThread(): Promise<void> {
    if (performance.now() - this.#workSinceMs <= workMsMax) return;
    this.#turn ??= nextTurn().then(() => {
      this.#turn = undefined;
      this.#workSinceMs = performance.now();
    });
    await this.#turn;
  }
}

/** At most so many at a time; the others wait in line. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(underWayMax: number) {
    this.#free = underWayMax;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
