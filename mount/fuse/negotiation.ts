import { DriveError } from '../../protocol/errors.ts';
import { initFlags, initFlags2, protocolMajor, protocolMinorMax, protocolMinorMin } from './constants.ts';
import type { FuseConnection, FuseFilesystem } from './fuse-filesystem.ts';
import type { InitReply } from './replies.ts';
import type { InitRequest } from './requests.ts';

export interface NegotiationOptions {
  /** Ask for passthrough (kernel 6.9 and root): OPEN may name a backing file. */
  readonly passthrough: boolean;
  /**
   * Let the kernel collect writes and own size and mtime of files. Off: then `write` is called before write(2)
   * returns, so that sizes and times are never decided in two places (a remote change while the kernel holds dirty
   * pages would have to be merged with them), and an error reaches the writer.
   */
  readonly writebackCache: boolean;
}

const pageBytes = 4096;

/** The largest READ and WRITE: 1 MiB, which is the most that kernels grant without a sysctl. */
export const transferPagesMax = 256;
export const transferBytesMax = transferPagesMax * pageBytes;

/** Room for the largest request: header and arguments lie in the page before the data. */
export const requestBytesMax = transferBytesMax + pageBytes;

/**
 * Readahead waits here with the network. At the limit the kernel would send no other, not even one that could be
 * answered from the disk, so no number of readers that wait may come near it.
 */
const backgroundMax = 4096;

/** What is wanted of every kernel; what it does not offer is done without. */
const wantedFlags =
  initFlags.asyncRead |
  initFlags.bigWrites |
  // OPEN and CREATE with O_TRUNC truncate by themselves: one request less.
  initFlags.atomicTruncate |
  initFlags.parallelDirectoryOperations |
  initFlags.maxPages |
  initFlags.abortError |
  initFlags.cacheSymlinks |
  // Cached pages go when a notification says so. The other way (AUTO_INVAL_DATA) drops them whenever mtime differs
  // from what was known, which every write of this very mount causes.
  initFlags.explicitInvalidateData |
  // Setuid, setgid and capabilities are taken away by the filesystem when it is told to; otherwise the kernel asks for
  // security.capability before every single write.
  initFlags.handleKillPrivilegesV2 |
  initFlags.initExtended;

// Not wanted: ASYNC_DIO (a read with O_DIRECT would wait for the network where no signal reaches it), POSIX_LOCKS and
// FLOCK_LOCKS (the kernel keeps locks itself, between the processes of this machine),
// EXPORT_SUPPORT. With POSIX_ACL comes DONT_MASK: a folder's default list takes the place of the umask.

/**
 * Answers INIT. `connection` is undefined where the kernel speaks another major version: it asks again with ours. Throws
 * `unsupported` for a kernel that is too old.
 */
export function negotiate(
  request: InitRequest,
  filesystem: FuseFilesystem,
  options: NegotiationOptions,
): { readonly reply: InitReply; readonly connection: FuseConnection | undefined } {
  if (request.major < protocolMajor || (request.major === protocolMajor && request.minor < protocolMinorMin)) {
    throw new DriveError(
      'unsupported',
      `this kernel speaks FUSE ${request.major}.${request.minor}; Holdfast needs ${protocolMajor}.${protocolMinorMin} (Linux 5.4) or newer`,
    );
  }
  if (request.major > protocolMajor) return { reply: { ...initReply(request, 0, 0), flags: 0 }, connection: undefined };

  let wanted: number = wantedFlags;
  if (filesystem.readdirplus !== undefined) wanted |= initFlags.readdirplus | initFlags.readdirplusAuto;
  if (filesystem.keepsAcls === true) wanted |= initFlags.posixAcl | initFlags.dontMask;
  if (options.writebackCache) wanted |= initFlags.writebackCache;
  let wanted2: number = initFlags2.noExportSupport;
  // The kernel refuses passthrough together with its own writeback.
  if (options.passthrough && !options.writebackCache) wanted2 |= initFlags2.passthrough;

  const flags = request.flags & wanted;
  const flags2 = (flags & initFlags.initExtended) === 0 ? 0 : request.flags2 & wanted2;
  return {
    reply: initReply(request, flags, flags2),
    connection: {
      protocolMinor: Math.min(request.minor, protocolMinorMax),
      passthrough: (flags2 & initFlags2.passthrough) !== 0,
      writebackCache: (flags & initFlags.writebackCache) !== 0,
      posixAcls: (flags & initFlags.posixAcl) !== 0,
      writeBytesMax: (flags & initFlags.maxPages) === 0 ? 32 * pageBytes : transferBytesMax,
    },
  };
}

function initReply(request: InitRequest, flags: number, flags2: number): InitReply {
  return {
    major: protocolMajor,
    minor: Math.min(request.minor, protocolMinorMax),
    readAheadBytesMax: request.readAheadBytesMax,
    flags,
    flags2,
    backgroundMax,
    congestionThreshold: (backgroundMax * 3) / 4,
    writeBytesMax: transferBytesMax,
    pagesMax: transferPagesMax,
    stackDepthMax: (flags2 & initFlags2.passthrough) === 0 ? 0 : 1,
  };
}
