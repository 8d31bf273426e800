import type { RequestContext } from './request-context.ts';

/**
 * A value, or a promise of one. A handler that can answer at once returns the value: the session then replies in the
 * same turn, without a promise or a microtask. While a handler's promise is pending, other requests are served.
 */
export type MaybePromise<T> = T | Promise<T>;

/**
 * What `stat` shows. `ino` is the node id too: unique while the filesystem is mounted, never used again for another
 * inode, at least 1 (the root is 1) and at most 2^53 - 1.
 */
export interface FuseAttributes {
  readonly ino: number;
  /** Bytes; at most 2^53 - 1. */
  readonly size: number;
  /** Units of 512 bytes on disk, for `du`. Left out: as many as `size` fills. */
  readonly blocks?: number;
  /** Nanoseconds since the epoch; may be negative. */
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Type (`fileTypeBits`) and permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Device number as the kernel packs it into 32 bits; 0 for what is no device. */
  readonly rdev: number;
  /** For this reply in place of `FuseTimeouts.attributesMs`. */
  readonly attributesTimeoutMs?: number;
  /** For this reply, if it gives a name, in place of `FuseTimeouts.entryMs`. */
  readonly entryTimeoutMs?: number;
}

/** How long the kernel may trust what it was told, in milliseconds; `Infinity` until it is invalidated. */
export interface FuseTimeouts {
  readonly entryMs: number;
  readonly attributesMs: number;
  /** For a `lookup` that found nothing; 0 to be asked each time. */
  readonly negativeEntryMs: number;
}

/** What is to be set; what is absent stays. `'now'` means the time of the call. */
export interface FuseSetAttributes {
  readonly size?: number;
  /** Permission bits with setuid, setgid and sticky (`0o7777` at most). */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atimeNs?: bigint | 'now';
  readonly mtimeNs?: bigint | 'now';
  /** Only with the kernel's writeback cache. */
  readonly ctimeNs?: bigint;
  /** The open file through which it was called (ftruncate). */
  readonly fh?: number;
  /**
   * Of what is no directory, take setuid away, and setgid if the group may execute (`modeWithoutPrivileges`): asked for
   * with every change of owner, with a new size set by somebody without CAP_FSETID, and alone. ctime moves with it.
   */
  readonly killPrivileges: boolean;
}

/** An open file or directory. */
export interface FuseOpened {
  /** The filesystem's own number for it, handed back with every call; 0 to 2^53 - 1. */
  readonly fh: number;
  /** Bits of `openReplyFlags`; for a file usually `keepCache`, for a directory `cacheDirectory | keepCache`. */
  readonly openFlags: number;
  /** With `openReplyFlags.passthrough`: what `openBacking` returned. */
  readonly backingId?: number;
}

export interface FuseCreated {
  readonly attributes: FuseAttributes;
  readonly opened: FuseOpened;
}

export interface FuseStatfs {
  readonly blockBytes: number;
  /** In units of `blockBytes`. */
  readonly blocks: number;
  readonly blocksFree: number;
  /** What an ordinary user may still use. */
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  readonly nameBytesMax: number;
}

/**
 * Takes directory entries straight into the reply. `nextOffset` is the position after the entry: what a later call
 * gets as `offset` to go on from there; above 0, and valid as long as the directory is open. An `add…` that
 * returns false did not take the entry: the reply is full, and the handler returns.
 */
export interface DirectorySink {
  /** A bare name. Only the type bits of `mode` count. For "." and "..", and for all entries of `readdir`. */
  addName(name: string, ino: number, mode: number, nextOffset: number): boolean;
}

export interface DirectoryPlusSink extends DirectorySink {
  /** An entry with its attributes. If it is taken it counts as one lookup, to be forgotten one day. Not for "." and "..". */
  addEntry(name: string, attributes: FuseAttributes, nextOffset: number): boolean;
}

/** One side of a `copyFileRange`. */
export interface FuseFilePosition {
  readonly ino: number;
  readonly fh: number;
  readonly offset: number;
}

/** What the kernel agreed to at the start. */
export interface FuseConnection {
  readonly protocolMinor: number;
  /** Whether OPEN and CREATE may answer with `openReplyFlags.passthrough`. */
  readonly passthrough: boolean;
  readonly writebackCache: boolean;
  /** Whether the kernel heeds access control lists. */
  readonly posixAcls: boolean;
  readonly writeBytesMax: number;
}

/**
 * A filesystem as the kernel sees it: by inode number. Permissions are the kernel's affair (`default_permissions`) and
 * so is the umask; names are UTF-8 and never contain "/" or NUL, and those that are not valid UTF-8 never get here
 * (EILSEQ).
 *
 * Every call runs on the one thread of the mount, in the order in which the kernel asked; calls overlap only where
 * promises are pending. A handler throws (or rejects with) `DriveError`, or `FuseError` where errno must say something
 * no drive code does; anything else is answered EIO and reported as a defect. An optional handler that is absent is
 * answered with ENOSYS, after which the kernel stops asking (FLUSH, FSYNC, xattrs, OPENDIR …).
 *
 * Lookup counts: each reply that gives attributes for a name (`lookup`, `mkdir`, `mknod`, `symlink`, `link`, `create`,
 * `tmpfile`, and `addEntry`) lets the kernel refer to that inode until `forget` has taken back as many. An
 * unlinked inode must stay until it is both released and forgotten. When the mount ends, all are forgotten without a call.
 */
export interface FuseFilesystem {
  readonly timeouts: FuseTimeouts;
  /**
   * Whether it keeps POSIX access control lists as attributes `system.posix_acl_access` and `…_default`. The kernel then
   * checks them; that modes follow the lists, that new files inherit them, and the umask, are left to the handlers.
   */
  readonly keepsAcls?: boolean;

  /** The mount is about to serve. */
  init?(connection: FuseConnection): void;
  /** The last call, once: the mount is gone. What is pending was interrupted and has settled. */
  destroy?(): MaybePromise<void>;

  /** `undefined`: there is no such name, and the kernel may remember that (`negativeEntryMs`). */
  lookup(context: RequestContext, parent: number, name: string): MaybePromise<FuseAttributes | undefined>;
  /** Takes back `lookups` lookups of `ino`. Must not throw. */
  forget(ino: number, lookups: number): void;
  /** `fh` is given for a call through an open file (fstat), where the kernel knows it. */
  getattr(context: RequestContext, ino: number, fh: number | undefined): MaybePromise<FuseAttributes>;
  setattr?(context: RequestContext, ino: number, set: FuseSetAttributes): MaybePromise<FuseAttributes>;

  readlink?(context: RequestContext, ino: number): MaybePromise<string>;
  symlink?(context: RequestContext, parent: number, name: string, target: string): MaybePromise<FuseAttributes>;
  /** `mode` has the type bits too. Also makes regular files. */
  mknod?(
    context: RequestContext,
    parent: number,
    name: string,
    mode: number,
    rdev: number,
  ): MaybePromise<FuseAttributes>;
  mkdir?(context: RequestContext, parent: number, name: string, mode: number): MaybePromise<FuseAttributes>;
  unlink?(context: RequestContext, parent: number, name: string): MaybePromise<void>;
  rmdir?(context: RequestContext, parent: number, name: string): MaybePromise<void>;
  rename?(
    context: RequestContext,
    fromParent: number,
    fromName: string,
    toParent: number,
    toName: string,
    mode: FuseRenameMode,
  ): MaybePromise<void>;
  /** Gives `ino` one more name. */
  link?(context: RequestContext, ino: number, parent: number, name: string): MaybePromise<FuseAttributes>;

  /** `flags` are those of open(2) without O_CREAT, O_EXCL and O_NOCTTY; O_TRUNC is for the handler to carry out. */
  open?(context: RequestContext, ino: number, flags: number, killPrivileges: boolean): MaybePromise<FuseOpened>;
  /** Makes a regular file and opens it; throws `exists` if the name is taken. */
  create?(
    context: RequestContext,
    parent: number,
    name: string,
    mode: number,
    flags: number,
  ): MaybePromise<FuseCreated>;
  /** Makes a file without a name and opens it (O_TMPFILE). */
  tmpfile?(context: RequestContext, parent: number, mode: number, flags: number): MaybePromise<FuseCreated>;
  /**
   * Fills `target` with the bytes at `offset` and returns how many there were; fewer than asked for means the end of
   * the file. `target` is the reply itself: it is the handler's until it has returned or its promise has settled.
   */
  read?(context: RequestContext, ino: number, fh: number, offset: number, target: Uint8Array): MaybePromise<number>;
  /**
   * Writes all of `data` and returns how many bytes were written (less only with the disk full). `data` is the request
   * itself: it is the handler's until it has returned or its promise has settled, and must not be kept.
   * O_APPEND: the kernel gives the offset it believes the end is at; `append` says so, and the handler may know better.
   */
  write?(
    context: RequestContext,
    ino: number,
    fh: number,
    offset: number,
    data: Uint8Array,
    how: FuseWriteMode,
  ): MaybePromise<number>;
  /** close(2), once for every descriptor that is closed; an error reaches the caller of close. */
  flush?(context: RequestContext, ino: number, fh: number): MaybePromise<void>;
  /** The last descriptor is gone, once for every open. An error reaches nobody. */
  release?(context: RequestContext, ino: number, fh: number): MaybePromise<void>;
  fsync?(context: RequestContext, ino: number, fh: number, dataOnly: boolean): MaybePromise<void>;
  fallocate?(
    context: RequestContext,
    ino: number,
    fh: number,
    offset: number,
    length: number,
    mode: number,
  ): MaybePromise<void>;
  /** SEEK_DATA and SEEK_HOLE; beyond the end throws `FuseError` ENXIO. Absent: the kernel calls the whole file data. */
  lseek?(
    context: RequestContext,
    ino: number,
    fh: number,
    offset: number,
    whence: 'data' | 'hole',
  ): MaybePromise<number>;
  /** Returns how many bytes were copied. Absent: the kernel copies by read and write. */
  copyFileRange?(
    context: RequestContext,
    from: FuseFilePosition,
    to: FuseFilePosition,
    length: number,
  ): MaybePromise<number>;

  /** Absent: directories need no handle, and the kernel may cache listings until they are invalidated. */
  opendir?(context: RequestContext, ino: number, flags: number): MaybePromise<FuseOpened>;
  /** Adds entries after position `offset` (0: from the start) until there are no more or the sink is full. */
  readdir?(context: RequestContext, ino: number, fh: number, offset: number, sink: DirectorySink): MaybePromise<void>;
  /** As `readdir`, with attributes. Absent: the kernel is told not to ask. */
  readdirplus?(
    context: RequestContext,
    ino: number,
    fh: number,
    offset: number,
    sink: DirectoryPlusSink,
  ): MaybePromise<void>;
  releasedir?(context: RequestContext, ino: number, fh: number): MaybePromise<void>;
  fsyncdir?(context: RequestContext, ino: number, fh: number, dataOnly: boolean): MaybePromise<void>;

  statfs?(context: RequestContext, ino: number): MaybePromise<FuseStatfs>;

  /** The value, or `undefined` (ENODATA). The session compares with the caller's buffer (ERANGE). */
  getxattr?(context: RequestContext, ino: number, name: string): MaybePromise<Uint8Array | undefined>;
  listxattr?(context: RequestContext, ino: number): MaybePromise<readonly string[]>;
  /** `value` is the request itself, as in `write`. `create` throws `exists`, `replace` throws `notFound` (answered ENODATA). */
  setxattr?(
    context: RequestContext,
    ino: number,
    name: string,
    value: Uint8Array,
    mode: FuseXattrMode,
  ): MaybePromise<void>;
  /** Throws `notFound` (answered ENODATA) if it is not there. */
  removexattr?(context: RequestContext, ino: number, name: string): MaybePromise<void>;
}

/** As the flags of renameat2(2). */
export type FuseRenameMode = 'replace' | 'noReplace' | 'exchange';

/** As the flags of setxattr(2). */
export type FuseXattrMode = 'any' | 'create' | 'replace';

export interface FuseWriteMode {
  /** The file is open with O_APPEND. */
  readonly append: boolean;
  /** Take setuid away, and setgid if the group may execute (`modeWithoutPrivileges`). */
  readonly killPrivileges: boolean;
  /** The kernel writes back its cache (a shared mapping): `fh` is any open one, and the caller is unknown. */
  readonly fromCache: boolean;
}

/** `mode` as it is after a write by somebody without CAP_FSETID: no setuid, and no setgid if the group may execute. */
export function modeWithoutPrivileges(mode: number): number {
  const setuid = 0o4000;
  const setgid = 0o2000;
  const groupExecute = 0o0010;
  const kept = mode & ~setuid;
  return (kept & groupExecute) === 0 ? kept : kept & ~setgid;
}
