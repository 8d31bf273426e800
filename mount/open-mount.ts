import { hostname } from 'node:os';
import { join } from 'node:path';
import type { BlockService } from '../protocol/block-service.ts';
import type { Clock, Randomness } from '../protocol/environment.ts';
import { asDriveError, DriveError, isDriveError } from '../protocol/errors.ts';
import type { Cursor, NamespaceId } from '../protocol/ids.ts';
import type { Metadata } from '../protocol/metadata.ts';
import type { Notification } from '../protocol/notifications.ts';
import { readBootId } from './content/boot-id.ts';
import { CacheLock } from './content/cache-lock.ts';
import { ContentFiles } from './content/content-files.ts';
import { BoundedReads } from './filesystem/bounded-reads.ts';
import { DriveFilesystem } from './filesystem/drive-filesystem.ts';
import { KernelInvalidator } from './filesystem/kernel-invalidator.ts';
import type { SyncHints } from './filesystem/sync-hints.ts';
import { mountFuse } from './fuse/fuse-mount.ts';
import type { FuseMount, FuseMountOptions } from './fuse/fuse-mount.ts';
import { Hydrator } from './hydration/hydrator.ts';
import { PinnedFiles } from './hydration/pinned-files.ts';
import type { Evicted } from './hydration/pinned-files.ts';
import type { NotificationListener } from './remote/remote-notifications.ts';
import { openReplica } from './replica/replica.ts';
import type { Replica } from './replica/replica.ts';
import { SyncEngine } from './sync/engine.ts';
import type { SyncStatus, SyncTimings } from './sync/sync-options.ts';
import { WorkerPipeline } from './sync/worker-pipeline.ts';

/** The part of pino that is used. */
export interface MountLogger {
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** Where commits of others are heard of; `RemoteNotifications` is one. */
export interface MountNotifications {
  start(): void;
  reportApplied(notification: Notification): void;
  close(): Promise<void>;
}

export interface OpenMountOptions {
  /** Where to mount: an existing, empty directory. */
  readonly directory: string;
  /** Private to this namespace and user; made with mode 0700 if it is missing. */
  readonly cacheDirectory: string;
  readonly namespace: NamespaceId;
  readonly remote: Metadata & BlockService;
  /** Ends calls to `remote` that are under way: called when the mount is closed and one of them is not answered. */
  readonly hangUp?: () => void;
  /** Listens for commits of others. Without it they are seen at the next pull (`timings.pullMs`). */
  readonly notifications?: (listener: NotificationListener) => MountNotifications;
  readonly cacheBytesMax: number;
  /** Refuse every change, even where the user may make them. Default: no. */
  readonly readOnly?: boolean;
  /** When fsync returns: `local`, bytes and tree are on the local disk; `remote`, they are committed. */
  readonly syncMode: 'local' | 'remote';
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: MountLogger;
  /** Named in conflicted copies that are made here. Default: this machine. */
  readonly author?: string;
  /** How long a read waits while nothing comes from the server; then it fails with EIO. Default 60 s. */
  readonly ioTimeoutMs?: number;
  /** How long the first load of the tree may take. Default 10 min. */
  readonly firstLoadTimeoutMs?: number;
  readonly timings?: Partial<SyncTimings>;
  readonly driver?: Pick<FuseMountOptions, 'allowOther' | 'source' | 'writebackCache' | 'timing'>;
}

/** How a mount is. */
export interface MountState extends SyncStatus {
  /** What the content files take of the local disk. */
  readonly cachedBytes: number;
  /** Bytes of all that is pinned, here or still to be fetched. */
  readonly pinnedBytes: number;
}

/** A drive that is mounted. */
export interface OpenMount {
  status(): MountState;
  /** See `PinnedFiles`; paths are from the root of the drive, `/` between names. */
  pin(path: string, timeoutMs: number): Promise<void>;
  unpin(path: string): Promise<void>;
  evict(path: string): Promise<Evicted>;
  /** Resolves when nothing is dirty; throws `timeout` if that takes longer. */
  drain(timeoutMs: number): Promise<void>;
  /** Unmounts and closes everything. What is not uploaded stays in the cache directory and goes on at the next mount. */
  unmount(): Promise<void>;
  /** Resolves when the mount is gone and all is closed, whoever unmounted it. */
  readonly closed: Promise<void>;
}

const firstLoadTimeoutMsDefault = 600_000;
const ioTimeoutMsDefault = 60_000;
/** A server that does not say so long what the user may do is taken for away. */
const roleTimeoutMs = 10_000;
/** So long an exchange with the server may go on when the mount is closed. */
const hangUpMs = 2_000;

/**
 * Mounts one namespace. Serves once the tree is there: at the first start that takes the server, later none. Throws
 * `locked` if another process uses the cache, `unavailable` or `timeout` if the first load fails, and what `mountFuse`
 * throws; nothing is left open or mounted then.
 */
export async function openMount(options: OpenMountOptions): Promise<OpenMount> {
  const lock = CacheLock.acquire(options.cacheDirectory);
  let parts: MountParts | undefined;
  try {
    parts = composeParts(options);
    const isReadOnly = await load(options, parts);
    const mount = await mountFuse(parts.filesystem, {
      ...options.driver,
      mountpoint: options.directory,
      readOnly: isReadOnly || options.readOnly === true,
      onDefect: (error, opcode) => options.logger.error({ err: error, opcode }, 'a request of the kernel failed'),
    });
    parts.invalidator.connect(mount.notifier);
    parts.pinned.start();
    return opened(options, mount, parts, lock);
  } catch (error) {
    try {
      if (parts !== undefined) await closeParts(parts, options);
    } finally {
      lock.release();
    }
    throw error;
  }
}

interface MountParts {
  readonly replica: Replica;
  readonly files: ContentFiles;
  readonly pinned: PinnedFiles;
  readonly engine: SyncEngine;
  readonly pipeline: WorkerPipeline;
  readonly filesystem: DriveFilesystem;
  readonly invalidator: KernelInvalidator;
  readonly notifications: MountNotifications | undefined;
  /** Resolves when remote changes up to a cursor are applied. */
  readonly applied: (cursor: Cursor) => Promise<void>;
}

function composeParts(options: OpenMountOptions): MountParts {
  const { namespace, clock, randomness, remote, cacheDirectory, cacheBytesMax, logger, syncMode } = options;
  const replica = openReplica({ path: join(cacheDirectory, 'replica.db'), namespace, clock, randomness });
  const unfinishedMoves = replica.unfinishedMoves();
  const files: ContentFiles = new ContentFiles({
    directory: join(cacheDirectory, 'content'),
    ...{ cacheBytesMax, tree: replica, clock, bootId: readBootId(), unfinishedMoves },
    isPinned: (ino) => replica.pins.rootOf(ino) !== undefined,
    hydrate: (file, offset, length) => hydrator.ensure(file, offset, length),
  });
  const lastMove = unfinishedMoves.at(-1);
  if (lastMove !== undefined) replica.contentMoved(lastMove.id);
  const ioTimeoutMs = options.ioTimeoutMs ?? ioTimeoutMsDefault;
  const hydrator: Hydrator = new Hydrator({
    ...{ namespace, metadata: remote, blocks: remote, tree: replica, files, clock },
    timeoutMs: ioTimeoutMs,
  });
  const pinned = new PinnedFiles({ tree: replica, pins: replica.pins, files, hydrator, clock });
  const reads = new BoundedReads({
    ...{ hydrator, clock, ioTimeoutMs },
    gaveUp: (ino, err) => logger.warn({ err, path: replica.pathOf(ino) }, 'a read was given up: it failed with EIO'),
  });
  const pipeline = new WorkerPipeline();
  const progress = new CursorProgress(replica);
  let notifications: MountNotifications | undefined = undefined;
  const engine: SyncEngine = new SyncEngine({
    ...{ namespace, clock, randomness, metadata: remote, blocks: remote, tree: replica, content: files, pipeline },
    invalidate: (invalidations) => {
      invalidator.invalidate(invalidations);
      pinned.changedRemotely(invalidations);
      return invalidator.settled();
    },
    hydratedBytes: () => hydrator.hydratedBytes,
    applied: (cursor) => {
      progress.applied();
      notifications?.reportApplied({ namespace, cursor });
    },
    ...(options.timings === undefined ? {} : { timings: options.timings }),
  });
  const filesystem = new DriveFilesystem({
    ...{ tree: replica, files, hydrator: reads, clock, syncMode, cacheDirectory, hints: hintsFor(engine, pinned) },
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    author: options.author ?? hostname(),
    quotaBytes: () => quotaOf(replica),
    nameAppeared: (parent, name) => invalidator.nameAppeared(parent, name),
  });
  const invalidator: KernelInvalidator = new KernelInvalidator(filesystem.nodes, (error) =>
    logger.warn({ err: error }, 'the kernel could not be told of a change'),
  );
  notifications = options.notifications?.(engine);
  const applied = (cursor: Cursor): Promise<void> => progress.reached(cursor);
  return { replica, files, pinned, engine, pipeline, filesystem, invalidator, notifications, applied };
}

/** What changes here is told to the engine and, as it may bring something into a pinned folder, to `pinned`. */
function hintsFor(engine: SyncEngine, pinned: PinnedFiles): SyncHints {
  return {
    changed: () => {
      engine.changed();
      pinned.changedHere();
    },
    contentClosed: (ino) => engine.contentClosed(ino),
    committed: (ino, signal) => engine.committed(ino, signal),
  };
}

/** Starts to sync, waits for a tree to serve, and returns whether it may only be read. */
async function load(options: OpenMountOptions, parts: MountParts): Promise<boolean> {
  const { replica, engine, notifications } = parts;
  const isFirst = replica.cursor() === 0;
  const role = await currentRole(options, replica, isFirst);
  engine.start();
  notifications?.start();
  if (isFirst && role.cursor > 0) {
    const timeoutMs = options.firstLoadTimeoutMs ?? firstLoadTimeoutMsDefault;
    const done = new AbortController();
    const late = options.clock.sleep(timeoutMs, done.signal).then(
      () =>
        new DriveError(
          'timeout',
          `the tree did not load within ${timeoutMs} ms: ${engine.status().lastError ?? 'still loading'}`,
        ),
      () => undefined,
    );
    const error = await Promise.race([parts.applied(role.cursor), late]);
    done.abort();
    if (error !== undefined) throw error;
  }
  return role.isReadOnly;
}

/** `promise`, or `timeout` if the server takes too long. */
async function answered<T>(options: OpenMountOptions, promise: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = options.clock.sleep(roleTimeoutMs, done.signal).then(
    () => Promise.reject(new DriveError('timeout', `the server did not answer for ${roleTimeoutMs / 1000} s`)),
    () => promise,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    done.abort();
  }
}

const roleSetting = 'mount.role';
const quotaSetting = 'mount.quotaBytes';

/** What the drive may hold, as the server said when it was last asked. */
function quotaOf(replica: Replica): number | null {
  const quota = replica.settings.get(quotaSetting);
  return quota === undefined ? null : Number(quota);
}

/** What the user may do there: asked, or remembered if the server cannot be reached and the tree was loaded before. */
async function currentRole(
  options: OpenMountOptions,
  replica: Replica,
  isFirst: boolean,
): Promise<{ readonly isReadOnly: boolean; readonly cursor: Cursor }> {
  try {
    const { role, cursor, quotaBytes } = await answered(options, options.remote.namespace(options.namespace));
    replica.settings.set(roleSetting, role);
    replica.settings.set(quotaSetting, quotaBytes === null ? undefined : String(quotaBytes));
    return { isReadOnly: role === 'read', cursor };
  } catch (error) {
    const isAway = isDriveError(error, 'unavailable') || isDriveError(error, 'timeout');
    if (isFirst || !isAway) throw asDriveError(error);
    return { isReadOnly: replica.settings.get(roleSetting) === 'read', cursor: replica.cursor() };
  }
}

function opened(options: OpenMountOptions, mount: FuseMount, parts: MountParts, lock: CacheLock): OpenMount {
  const ended = mount.ended.catch((error: unknown) => {
    options.logger.error({ err: error }, 'the connection to the kernel broke');
  });
  const closed = ended.then(() => closeParts(parts, options)).finally(() => lock.release());
  return {
    status: () => ({
      ...parts.engine.status(),
      cachedBytes: parts.files.usedBytes,
      pinnedBytes: parts.pinned.pinnedBytes,
    }),
    pin: (path, timeoutMs) => parts.pinned.pin(path, timeoutMs),
    unpin: (path) => parts.pinned.unpin(path),
    evict: (path) => parts.pinned.evict(path),
    drain: (timeoutMs) => parts.engine.drain(timeoutMs),
    unmount: async () => {
      await mount.unmount();
      await closed;
    },
    closed,
  };
}

/** From the outside in: who brings work first, what keeps it last. All are closed, whatever one of them throws. */
async function closeParts(parts: MountParts, options: OpenMountOptions): Promise<void> {
  const failures: unknown[] = [];
  for (const close of [
    () => parts.notifications?.close(),
    () => parts.pinned.close(),
    () => stopEngine(parts.engine, options),
    () => parts.pipeline.close(),
    () => parts.files.shutdown(),
    () => parts.replica.close(),
  ]) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw asDriveError(failures[0]);
}

/** What is under way may end well; a server that does not answer is not waited for. */
async function stopEngine(engine: SyncEngine, { clock, hangUp }: OpenMountOptions): Promise<void> {
  const stopped = new AbortController();
  const late = clock.sleep(hangUpMs, stopped.signal).then(
    () => hangUp?.(),
    () => undefined,
  );
  try {
    await engine.stop();
  } finally {
    stopped.abort();
    await late;
  }
}

/** Lets callers wait for the replica's cursor. */
class CursorProgress {
  readonly #replica: Replica;
  #waiting: { readonly cursor: Cursor; readonly resolve: () => void }[] = [];

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  applied(): void {
    const at = this.#replica.cursor();
    for (const waiter of this.#waiting) if (waiter.cursor <= at) waiter.resolve();
    this.#waiting = this.#waiting.filter((waiter) => waiter.cursor > at);
  }

  reached(cursor: Cursor): Promise<void> {
    if (this.#replica.cursor() >= cursor) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ cursor, resolve }));
  }
}
