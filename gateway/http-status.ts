import type { DriveErrorCode } from '../protocol/errors.ts';

/** The HTTP status that tells a client of each failure (RFC 9110 §15, RFC 4918 §11). The one place that knows. */
export function httpStatusOf(code: DriveErrorCode): number {
  switch (code) {
    case 'invalidName':
    case 'nameTooLong':
    case 'invalidArgument':
      return 400;
    case 'unauthenticated':
      return 401;
    case 'forbidden':
      return 403;
    case 'notFound':
      return 404;
    case 'exists':
    case 'notDirectory':
    case 'isDirectory':
    case 'notEmpty':
    case 'conflict':
      return 409;
    case 'gone':
      return 410;
    case 'tooLarge':
      return 413;
    case 'corrupt':
      // Bytes that a client sent. A door that reads stored bytes reports its own damage as 500.
      return 422;
    case 'locked':
      return 423;
    case 'rateLimited':
      return 429;
    case 'cancelled':
      // Nobody is left to read it; logs show it as what it is (as nginx does).
      return 499;
    case 'internal':
      return 500;
    case 'unsupported':
      return 501;
    case 'unavailable':
      return 503;
    case 'timeout':
      return 504;
    case 'quotaExceeded':
    case 'noSpace':
      return 507;
  }
}
