import { asDriveError, DriveError } from '../../protocol/errors.ts';
import type { DriveErrorCode } from '../../protocol/errors.ts';

/** Linux error numbers (asm-generic/errno-base.h and errno.h). */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EILSEQ: 84,
  EOPNOTSUPP: 95,
  ECONNABORTED: 103,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  EHOSTUNREACH: 113,
  ESTALE: 116,
  EDQUOT: 122,
  ECANCELED: 125,
} as const;

export type ErrnoName = keyof typeof errno;

/** An answer for which no drive code exists. */
export class FuseError extends Error {
  readonly errno: number;

  constructor(name: ErrnoName, message?: string) {
    // It is thrown for every name and xattr that is not there, and nobody reads its stack, which takes longer than the answer.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message ?? name);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'FuseError';
    this.errno = errno[name];
  }
}

/** The one translation of Holdfast's errors for the kernel. */
export function errnoOfCode(code: DriveErrorCode): number {
  switch (code) {
    case 'notFound':
      return errno.ENOENT;
    case 'exists':
      return errno.EEXIST;
    case 'notDirectory':
      return errno.ENOTDIR;
    case 'isDirectory':
      return errno.EISDIR;
    case 'notEmpty':
      return errno.ENOTEMPTY;
    case 'invalidName':
    case 'invalidArgument':
      return errno.EINVAL;
    case 'nameTooLong':
      return errno.ENAMETOOLONG;
    case 'tooLarge':
      return errno.EFBIG;
    case 'unauthenticated':
    case 'forbidden':
      return errno.EACCES;
    case 'conflict':
      return errno.EBUSY;
    case 'locked':
      return errno.EBUSY;
    case 'quotaExceeded':
      return errno.EDQUOT;
    case 'noSpace':
      return errno.ENOSPC;
    case 'rateLimited':
      return errno.EBUSY;
    case 'unavailable':
      return errno.EHOSTUNREACH;
    case 'timeout':
      return errno.ETIMEDOUT;
    case 'gone':
      return errno.ESTALE;
    case 'unsupported':
      return errno.EOPNOTSUPP;
    case 'cancelled':
      return errno.ECANCELED;
    case 'corrupt':
    case 'internal':
      return errno.EIO;
  }
}

/**
 * The errno that answers whatever a handler threw. Giving up is EINTR only to a caller who was `interrupted`: others
 * would try again for ever, as EINTR asks them to.
 */
export function errnoOf(error: unknown, interrupted: boolean): number {
  if (error instanceof FuseError) return error.errno;
  const code = isAbort(error) ? 'cancelled' : asDriveError(error).code;
  return code === 'cancelled' && interrupted ? errno.EINTR : errnoOfCode(code);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** Whether what was thrown says that something is wrong with Holdfast itself, not with what was asked. */
export function isDefect(error: unknown): boolean {
  if (error instanceof FuseError) return false;
  if (error instanceof DriveError) return error.code === 'internal';
  return !isAbort(error);
}
