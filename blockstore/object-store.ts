import { DriveError } from '../protocol/errors.ts';

/** What an object is to hold: bytes at hand, or a stream that can be opened again for another attempt. */
export type ObjectBody = Uint8Array | ObjectStream;

export interface ObjectStream {
  readonly byteLength: number;
  /** Starts from the first byte each time it is called, and gives exactly `byteLength` bytes. */
  open(): AsyncIterable<Uint8Array>;
}

/** Bytes `offset` up to `offset + length` of an object. */
export interface ObjectRange {
  readonly offset: number;
  readonly length: number;
}

export interface ObjectInfo {
  readonly key: string;
  readonly byteLength: number;
}

/**
 * A flat map from keys to immutable bytes, durable and shared. Five calls and nothing else, so that a local
 * directory, S3, and compositions of such stores can stand for each other; one conformance suite holds for all.
 *
 * **Keys** are 1 to 200 characters of `a-z 0-9 . _ -` in non-empty parts divided by `/`; a part cannot start with
 * a dot. Anything else throws `invalidArgument`, and so does a bad range or a body that is not as long as it says.
 *
 * **Objects never change.** A key names its bytes: it holds a random id or a hash, and whoever puts a key twice
 * puts the same bytes. So a retry is harmless, and a copy may be kept for ever.
 *
 * **Atomicity.** At any moment, also after a crash, an object is either absent or whole. A failed or aborted `put` may
 * have stored the whole object or nothing.
 *
 * **Durability.** When `put` or `delete` resolves, the effect survives a crash of the machine that serves the store. Then
 * `head`, `get` and `list` of every client show it.
 *
 * **Errors** are `DriveError`s: `notFound` (get and head of an absent key), `noSpace`, `forbidden` (credentials or file
 * permissions), `unavailable` and `timeout` (worth another attempt), `corrupt` (the medium reports damage),
 * `cancelled` (the signal aborted; nothing goes on in the background that a caller could observe later, save the
 * whole effect of a put or delete). Bytes are not checked: that is for whoever sealed them.
 *
 * **Signals.** Every call ends soon after its signal aborts.
 */
export interface ObjectStore {
  /**
   * Stores an object. If the key exists nothing is changed: it resolves if the lengths agree, and throws `exists` if they do
   * not (somebody broke the rule above).
   */
  put(key: string, body: ObjectBody, signal?: AbortSignal): Promise<void>;

  /**
   * The object's bytes, or those of a range that lies within it, in pieces of any size, each in memory that is the consumer's. Memory is bounded whatever the
   * object's size: bytes are read as they are consumed. It throws instead of ending early. Leaving the loop early releases what it
   * holds. A range beyond the end throws `invalidArgument`.
   */
  get(key: string, range?: ObjectRange, signal?: AbortSignal): AsyncIterable<Uint8Array>;

  /** Removes the object; an absent key is fine. */
  delete(key: string, signal?: AbortSignal): Promise<void>;

  /**
   * Every object whose key starts with `prefix` (any beginning of keys; "" for all), once each, in no order. What comes or goes
   * meanwhile may be in it or not.
   */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo>;

  /** Throws `notFound` for an absent key. */
  head(key: string, signal?: AbortSignal): Promise<ObjectInfo>;
}

const keyLengthMax = 200;
const keyPattern = /^[a-z0-9_-][a-z0-9._-]*(\/[a-z0-9_-][a-z0-9._-]*)*$/;
const prefixPattern = /^[a-z0-9._/-]*$/;

/** Throws `invalidArgument` unless `key` can name an object. */
export function checkObjectKey(key: string): void {
  if (key.length > keyLengthMax || !keyPattern.test(key)) {
    throw new DriveError('invalidArgument', `${JSON.stringify(key.slice(0, 80))} cannot be the key of an object`);
  }
}

/** Throws `invalidArgument` unless a key could start with `prefix`. */
export function checkKeyPrefix(prefix: string): void {
  if (prefix.length > keyLengthMax || !prefixPattern.test(prefix)) {
    throw new DriveError('invalidArgument', `no key of an object starts with ${JSON.stringify(prefix.slice(0, 80))}`);
  }
}

/** Throws `invalidArgument` unless the range is of whole bytes and at least one. */
export function checkObjectRange(key: string, range: ObjectRange | undefined): void {
  if (range === undefined) return;
  const { offset, length } = range;
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 1) {
    throw new DriveError('invalidArgument', `${offset}+${length} is not a range of object ${key}`);
  }
}

/** The range, or all of an object; throws `invalidArgument` if the range passes the object's end. */
export function rangeWithin(key: string, byteLength: number, range: ObjectRange | undefined): ObjectRange {
  if (range === undefined) return { offset: 0, length: byteLength };
  if (range.offset + range.length > byteLength) {
    throw new DriveError(
      'invalidArgument',
      `object ${key} has ${byteLength} bytes: it has no range ${range.offset}+${range.length}`,
    );
  }
  return range;
}

export function objectMissing(key: string, cause?: unknown): DriveError {
  return new DriveError('notFound', `the store has no object ${key}`, { cause });
}

/** The error of a put to a key that holds an object of another length. */
export function objectDiffers(key: string, held: number, given: number): DriveError {
  return new DriveError('exists', `object ${key} exists with ${held} bytes and cannot be put with ${given}`);
}

/** The error of an aborted call. */
export function objectCallCancelled(key: string, cause?: unknown): DriveError {
  return new DriveError('cancelled', `the call on object ${key} was given up`, { cause });
}

/** Throws `cancelled` if the signal has aborted. */
export function checkNotAborted(key: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw objectCallCancelled(key, signal.reason);
}
