import type { BlockService } from '../../protocol/block-service.ts';
import type { Clock, Randomness } from '../../protocol/environment.ts';
import type { Cursor, NamespaceId } from '../../protocol/ids.ts';
import type { Metadata } from '../../protocol/metadata.ts';
import type { DrainableContent } from '../content/content-store.ts';
import type { Invalidation } from '../replica/invalidation.ts';
import type { Ino, LocalInode } from '../replica/local-inode.ts';
import type { SyncedTree } from '../replica/synced-tree.ts';
import type { BlockPipeline } from './block-pipeline.ts';

/** What of the replica the engine needs. */
export interface SyncReplica extends SyncedTree {
  inode(ino: Ino): LocalInode | undefined;
  contentSequence(ino: Ino): number;
  /** `undefined` without a name. */
  pathOf(ino: Ino): string | undefined;
  /** Whether nothing of the inode (its names, attributes, or content) is dirty. */
  isCommitted(ino: Ino): boolean;
  durable(): Promise<void>;
  /** As `durable`, waiting for the disk in place: for rare moments in which nothing else may happen. */
  durableNow(): void;
}

/** Times and limits by which the engine works; the defaults suit a mount. */
export interface SyncTimings {
  /** How long after the last change of a burst a commit is made … */
  readonly quietMs: number;
  /** … and how long after its first one at the latest. */
  readonly burstMs: number;
  /** A file that nobody closed is uploaded after so long without a write … */
  readonly idleMs: number;
  /** … and one that is written without pause at this age. */
  readonly contentAgeMs: number;
  /** Both waits are longer by the time that a file's size takes at this rate. */
  readonly openBytesPerMs: number;
  /** Pulls that no notification asked for. */
  readonly pullMs: number;
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  /** So often something that the server refused for good is tried again. */
  readonly refusedMs: number;
  /** So long at most an fsync waits for the server. */
  readonly committedMs: number;
  readonly operationsMax: number;
}

export const defaultSyncTimings: SyncTimings = {
  quietMs: 3,
  burstMs: 250,
  idleMs: 1_000,
  contentAgeMs: 5_000,
  openBytesPerMs: 32 * 1024,
  pullMs: 60_000,
  retryMsMin: 200,
  retryMsMax: 30_000,
  refusedMs: 30_000,
  committedMs: 60_000,
  operationsMax: 5_000,
};

export interface SyncOptions {
  readonly namespace: NamespaceId;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly metadata: Pick<Metadata, 'commit' | 'changes'>;
  readonly blocks: Pick<BlockService, 'have' | 'put'>;
  readonly tree: SyncReplica;
  readonly content: DrainableContent;
  readonly pipeline: BlockPipeline;
  /** Tells the kernel what became stale; called after the replica shows the new state, and never waited for. */
  readonly invalidate: (invalidations: readonly Invalidation[]) => Promise<void>;
  /** Bytes fetched by the hydrator, for the status. */
  readonly hydratedBytes?: () => number;
  /** Told after remote changes were applied, for measuring latency. */
  readonly applied?: (cursor: Cursor) => void;
  readonly timings?: Partial<SyncTimings>;
}

/** What `holdfast status` shows of one mount. */
export interface SyncStatus {
  readonly cursor: Cursor;
  readonly connected: boolean;
  readonly dirtyEntries: number;
  readonly dirtyBytes: number;
  /** Blocks and bytes of plaintext that were sent since the start. */
  readonly uploadedBlocks: number;
  readonly uploadedBytes: number;
  readonly hydratedBytes: number;
  readonly conflicts: number;
  /** What the last attempt failed with; `null` if it did not. */
  readonly lastError: string | null;
}
