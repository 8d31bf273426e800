import { DriveError, type DriveErrorCode } from '../protocol/errors.ts';

/** Whether `error` is a system error of that name, such as `ENOENT`. */
export function hasErrno(error: unknown, name: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === name;
}

const codes: Readonly<Record<string, DriveErrorCode>> = {
  ENOSPC: 'noSpace',
  EDQUOT: 'noSpace',
  EFBIG: 'noSpace',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
  EROFS: 'forbidden',
  EIO: 'corrupt',
  EUCLEAN: 'corrupt',
};

/** What a failed system call means to the user of `what`; anything not known to be permanent is `unavailable`. */
export function diskError(what: string, error: unknown): DriveError {
  if (error instanceof DriveError) return error;
  const errno = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  const reason = error instanceof Error ? error.message : String(error);
  return new DriveError(codes[errno ?? ''] ?? 'unavailable', `${what}: ${reason}`, { cause: error });
}
