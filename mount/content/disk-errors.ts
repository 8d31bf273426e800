import { DriveError } from '../../protocol/errors.ts';

/** The disk took only the first `done` bytes of a write. */
export class ShortWrite extends Error {
  readonly done: number;

  constructor(done: number, cause: unknown) {
    super('short write', { cause });
    this.done = done;
  }
}

/** The code of a failed system call, `ENOSPC` for example; `undefined` of any other error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What the local disk said about the file at `path`, for the user; what is no failed system call is returned as it is. */
export function errorOfDisk(error: unknown, path: string): unknown {
  const cause = error instanceof ShortWrite ? error.cause : error;
  switch (codeOf(cause)) {
    case undefined:
      return cause;
    case 'ENOSPC':
    case 'EDQUOT':
      return new DriveError('noSpace', `the local disk is full (writing ${path}); free some space and try again`, {
        cause,
      });
    case 'EFBIG':
      return new DriveError('tooLarge', `the local disk cannot hold a file this large (${path})`, { cause });
    default:
      return new DriveError('internal', `the local disk failed at ${path}: ${String(cause)}`, { cause });
  }
}
