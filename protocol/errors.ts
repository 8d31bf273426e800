/**
 * Every failure Holdfast reports. The set is closed: each edge (errno, HTTP status, exit code) translates it
 * once, and a compiler error points at every edge when a code is added.
 */
export const driveErrorCodes = [
  'notFound', // no such path, inode, version, namespace, block …
  'exists', // the name is taken
  'notDirectory',
  'isDirectory',
  'notEmpty',
  'invalidName', // empty, ".", "..", "/", NUL, or not UTF-8
  'nameTooLong', // beyond `limits.nameBytesMax`
  'invalidArgument', // malformed input of any other kind
  'tooLarge', // beyond a limit of `limits`
  'unauthenticated', // no credentials, or wrong ones
  'forbidden', // known, but not allowed
  'conflict', // a base is not head, or a precondition failed, and the caller asked for refusal
  'locked', // a lease of somebody else stands in the way
  'quotaExceeded',
  'noSpace', // the local disk or the store is full
  'rateLimited',
  'unavailable', // the other party cannot be reached now; trying again may help
  'timeout',
  'corrupt', // bytes do not match their hash or seal
  'gone', // it existed, but history no longer reaches back that far
  'unsupported',
  'cancelled', // the caller gave up
  'internal', // a defect of Holdfast
] as const;

export type DriveErrorCode = (typeof driveErrorCodes)[number];

/**
 * The one error type that crosses a part's border. `message` tells a user what happened, to which path or
 * object, and what to do about it; it never holds a secret.
 */
export class DriveError extends Error {
  readonly code: DriveErrorCode;

  constructor(code: DriveErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DriveError';
    this.code = code;
  }
}

/** Whether `error` is a `DriveError`, of the given code if one is named. */
export function isDriveError(error: unknown, code?: DriveErrorCode): error is DriveError {
  return error instanceof DriveError && (code === undefined || error.code === code);
}

/** Turns anything thrown into a `DriveError`; what is not one already is a defect and becomes `internal`. */
export function asDriveError(error: unknown): DriveError {
  if (error instanceof DriveError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new DriveError('internal', message, { cause: error });
}
