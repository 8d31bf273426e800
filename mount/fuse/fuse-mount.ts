import { setTimeout as sleepFor } from 'node:timers/promises';
import { deviceOf } from './device.ts';
import type { FuseFilesystem } from './fuse-filesystem.ts';
import { mountWithFusermount } from './fusermount.ts';
import { mountAsRoot } from './kernel-mount.ts';
import type { MountSettings } from './mount-settings.ts';
import { filesystemSource } from './mount-table.ts';
import { prepareMountpoint } from './mountpoint.ts';
import type { Notifier } from './notify.ts';
import { raiseReadAhead } from './read-ahead.ts';
import type { ReadLoopTiming } from './read-loop.ts';
import { FuseSession } from './session.ts';
import { unmountPath, writeBack } from './unmount.ts';

export interface FuseMountOptions {
  /** An existing, empty directory. */
  readonly mountpoint: string;
  readonly readOnly?: boolean;
  /** Default: for root yes, as with a disk; for others no (it needs `user_allow_other` in /etc/fuse.conf). */
  readonly allowOther?: boolean;
  /** What the mount table and df name it. Default: `holdfast`. */
  readonly source?: string;
  /** See `NegotiationOptions`; both default to no. */
  readonly passthrough?: boolean;
  readonly writebackCache?: boolean;
  readonly timing?: ReadLoopTiming;
  /** Told of whatever a handler threw that no handler should. */
  readonly onDefect: (error: unknown, opcode: number) => void;
}

/** A filesystem that is mounted. */
export interface FuseMount {
  /** Where, without symlinks. */
  readonly mountpoint: string;
  readonly notifier: Notifier;
  /** The open /dev/fuse, for `openBacking`. */
  readonly deviceFd: number;
  /** Resolves when the mount is gone, whoever unmounted it; rejects if the connection broke. */
  readonly ended: Promise<void>;
  /**
   * Unmounts and resolves like `ended`. Files that are still open are given `graceMs` to be closed; then the
   * connection is cut and their users get errors.
   */
  unmount(graceMs?: number): Promise<void>;
}

const defaultGraceMs = 5_000;

/**
 * Mounts a filesystem and serves it on this thread's event loop until it is unmounted: with mount(2) where that is
 * allowed, otherwise through fusermount3. Nothing on this thread may touch a path below the mountpoint by a
 * synchronous call: it would wait for itself.
 *
 * Throws what `prepareMountpoint` throws, `unsupported` (no /dev/fuse, no fusermount3, kernel too old) or `forbidden`.
 */
export async function mountFuse(filesystem: FuseFilesystem, options: FuseMountOptions): Promise<FuseMount> {
  const isRoot = process.geteuid?.() === 0;
  const settings: MountSettings = {
    readOnly: options.readOnly ?? false,
    allowOther: options.allowOther ?? isRoot,
    source: options.source ?? filesystemSource,
  };
  const mountpoint = await prepareMountpoint(options.mountpoint);
  const fd =
    (isRoot ? mountAsRoot(mountpoint, settings) : undefined) ?? (await mountWithFusermount(mountpoint, settings));
  const session = new FuseSession(deviceOf(fd), filesystem, {
    passthrough: options.passthrough ?? false,
    writebackCache: options.writebackCache ?? false,
    onDefect: options.onDefect,
    ...(options.timing === undefined ? {} : { timing: options.timing }),
  });
  try {
    await session.start();
    await raiseReadAhead(mountpoint);
  } catch (error) {
    await unmountPath(mountpoint);
    throw error;
  }
  return {
    mountpoint,
    notifier: session.notifier,
    deviceFd: fd,
    ended: session.ended,
    unmount: (graceMs = defaultGraceMs) => unmountSession(mountpoint, session, graceMs),
  };
}

async function unmountSession(mountpoint: string, session: FuseSession, graceMs: number): Promise<void> {
  await writeBack(mountpoint);
  await unmountPath(mountpoint);
  const waiting = new AbortController();
  const grace = sleepFor(graceMs, undefined, { signal: waiting.signal }).then(
    () => session.abort(),
    () => undefined,
  );
  try {
    await session.ended;
  } finally {
    waiting.abort();
    await grace;
  }
}
