import { DriveError, type DriveErrorCode } from '../protocol/errors.ts';

/** What of an error of the SDK tells its kind. */
interface S3Failure {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly status: number | undefined;
}

function failureOf(error: unknown): S3Failure {
  if (!(error instanceof Error)) return { name: 'unknown', message: String(error), code: undefined, status: undefined };
  const { code, $metadata } = error as { code?: unknown; $metadata?: { httpStatusCode?: number } };
  return {
    name: error.name,
    message: error.message,
    code: typeof code === 'string' ? code : undefined,
    status: $metadata?.httpStatusCode,
  };
}

/** Whether a conditional put found the key taken (RFC 9110 §15.5.13). */
export function isTaken(error: unknown): boolean {
  return failureOf(error).status === 412;
}

/** Error names of S3 ("Error responses", Amazon S3 API reference) and of the SDK whose status does not tell enough. */
const codeOfName: Readonly<Record<string, DriveErrorCode>> = {
  AbortError: 'cancelled',
  TimeoutError: 'timeout',
  RequestTimeout: 'timeout',
  NoSuchBucket: 'unavailable',
  NoSuchKey: 'notFound',
  NotFound: 'notFound',
  QuotaExceeded: 'noSpace',
  InvalidRange: 'invalidArgument',
  CredentialsProviderError: 'forbidden',
  ConditionalRequestConflict: 'unavailable',
  BadDigest: 'unavailable',
  XAmzContentSHA256Mismatch: 'unavailable',
};

const hints: Readonly<Record<string, string>> = {
  NoSuchBucket: 'the bucket does not exist: make it',
  CredentialsProviderError: 'no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  InvalidAccessKeyId: 'the access key is not known there: check AWS_ACCESS_KEY_ID',
  SignatureDoesNotMatch: 'the secret key is wrong: check AWS_SECRET_ACCESS_KEY',
};

/** What a failed call means to the user of `what`. Failures of the network have no status and are `unavailable`. */
export function s3Error(what: string, error: unknown): DriveError {
  if (error instanceof DriveError) return error;
  const failure = failureOf(error);
  const reason = hints[failure.name] ?? `${failure.name}: ${failure.message}`;
  return new DriveError(codeOf(failure), `${what}: ${reason}`, { cause: error });
}

function codeOf({ name, code, status }: S3Failure): DriveErrorCode {
  const named = codeOfName[name];
  if (named !== undefined) return named;
  if (code === 'ETIMEDOUT') return 'timeout';
  if (status === undefined || status >= 500 || status === 408 || status === 429) return 'unavailable';
  if (status === 401 || status === 403) return 'forbidden';
  if (status === 404) return 'notFound';
  if (status === 416) return 'invalidArgument';
  if (status === 507) return 'noSpace';
  return 'internal';
}
