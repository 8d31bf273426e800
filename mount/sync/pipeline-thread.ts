import { Worker } from 'node:worker_threads';
import type { BlockFrame } from '../../protocol/block-service.ts';
import { asDriveError, DriveError, isDriveError } from '../../protocol/errors.ts';
import { decodeManifest } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { DrainSource } from '../content/content-store.ts';
import type {
  FramedBytes,
  FromWorker,
  PassedError,
  PieceRequest,
  PipelineTask,
  ToWorker,
} from './pipeline-messages.ts';

/** The thread ended with the task unfinished: it may be tried on another one. */
export class ThreadLost extends Error {}

type TaskResult = Manifest | FramedBytes;

interface Pending {
  readonly source: DrainSource;
  readonly resolve: (result: TaskResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One worker thread and the tasks it has. When it ends, for whatever reason, all of them reject with `ThreadLost`, and
 * it takes no more.
 */
export class PipelineThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  #nextId = 1;
  #lost: ThreadLost | undefined;

  constructor(script: URL) {
    this.#worker = new Worker(script, {
      name: 'block pipeline',
      // Buffers live outside of V8's heap; what is inside is small, and short-lived.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    this.#worker.unref();
    this.#worker.on('message', (message: FromWorker) => this.#receive(message));
    this.#worker.on('error', (error) =>
      this.#end(new ThreadLost('the block pipeline thread failed', { cause: error })),
    );
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#end(new ThreadLost(`the block pipeline thread ended with ${code}`));
        resolve();
      });
    });
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  async cut(task: Extract<PipelineTask, { type: 'cut' }>, source: DrainSource): Promise<Manifest> {
    return (await this.#run(task, source)) as Manifest;
  }

  async frame(
    task: Extract<PipelineTask, { type: 'frame' }>,
    source: DrainSource,
  ): Promise<Pick<BlockFrame, 'encoding' | 'bytes'> | undefined> {
    return (await this.#run(task, source)) as FramedBytes;
  }

  /** Ends the thread at once; resolves when it is gone. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
    await this.#exited;
  }

  #run(task: PipelineTask, source: DrainSource): Promise<TaskResult> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) {
        reject(this.#lost);
        return;
      }
      const id = this.#nextId++;
      this.#pending.set(id, { source, resolve, reject });
      // Only a thread with work keeps the process alive.
      if (this.#pending.size === 1) this.#worker.ref();
      this.#post({ type: 'task', id, task });
    });
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    switch (message.type) {
      case 'wanted':
        void this.#answer(message.id, pending.source, message.piece);
        return;
      case 'manifest':
        this.#settle(message.id);
        pending.resolve(decodeManifest(message.manifest));
        return;
      case 'framed':
        this.#settle(message.id);
        pending.resolve(message.framed);
        return;
      case 'failed':
        this.#settle(message.id);
        pending.reject(new DriveError(message.error.code, message.error.message));
    }
  }

  async #answer(id: number, source: DrainSource, { offset, length }: PieceRequest): Promise<void> {
    const bytes = await source.read(offset, length).catch((error: unknown): PassedError => {
      const { code, message } = isDriveError(error) ? error : asDriveError(error);
      return { code, message };
    });
    if (this.#lost === undefined) this.#post({ type: 'piece', id, bytes });
  }

  #settle(id: number): void {
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#worker.unref();
  }

  #end(lost: ThreadLost): void {
    this.#lost ??= lost;
    for (const [id, { reject }] of [...this.#pending]) {
      this.#pending.delete(id);
      reject(this.#lost);
    }
  }
}
