import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { DriveError } from '../protocol/errors.ts';
import { bodyPieces } from './object-body.ts';
import {
  checkKeyPrefix,
  checkNotAborted,
  checkObjectKey,
  checkObjectRange,
  objectCallCancelled,
  objectDiffers,
  type ObjectBody,
  type ObjectInfo,
  type ObjectRange,
  type ObjectStore,
} from './object-store.ts';
import { isTaken, s3Error } from './s3-errors.ts';

export interface S3Settings {
  readonly bucket: string;
  /** What every key starts with in the bucket; "" or something that ends in "/". */
  readonly prefix: string;
  /** `undefined`: Amazon's own, by region. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly timeouts?: S3Timeouts;
}

/** How long each step of a call may take. */
export interface S3Timeouts {
  readonly connectionMs: number;
  /** Up to the response's headers, the body of a put included. */
  readonly responseMs: number;
  /** Without a byte of a response's body while one is waited for. */
  readonly idleMs: number;
}

/** A pack passes at 0.5 MB/s and more. */
const defaultTimeouts: S3Timeouts = { connectionMs: 5_000, responseMs: 40_000, idleMs: 15_000 };
const socketsMax = 64;

const ignore = () => undefined;
const silentLogger = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };

/**
 * A client for Amazon S3 and servers that speak its protocol. Checksums beyond the signed SHA-256 are left out unless
 * demanded: older servers answer 411 to the way they are sent. Calls are not repeated here: that is `RetryingStore`'s part.
 */
function makeClient({ endpoint, region }: S3Settings, timeouts: S3Timeouts): S3Client {
  return new S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    maxAttempts: 1,
    logger: silentLogger, // it warns of each failure that is thrown as well
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({
      connectionTimeout: timeouts.connectionMs,
      requestTimeout: timeouts.responseMs,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: socketsMax },
      httpsAgent: { keepAlive: true, maxSockets: socketsMax },
    }),
  });
}

/**
 * An object store in a bucket of S3. Keys are from the usual environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, profiles,
 * instance roles). A put is conditional (`If-None-Match: *`) and signed with the SHA-256 of its body, so a body that
 * is damaged on its way is refused.
 */
export class S3Store implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #idleTimeoutMs: number;

  private constructor(settings: S3Settings) {
    const timeouts = settings.timeouts ?? defaultTimeouts;
    this.#client = makeClient(settings, timeouts);
    this.#idleTimeoutMs = timeouts.idleMs;
    this.#bucket = settings.bucket;
    this.#prefix = settings.prefix;
  }

  /** Opens the store; throws `notFound` if there is no such bucket, `forbidden` or `unavailable`. */
  static async open(settings: S3Settings): Promise<S3Store> {
    const store = new S3Store(settings);
    try {
      await store.#client.send(new HeadBucketCommand({ Bucket: settings.bucket }));
    } catch (error) {
      store.close();
      throw s3Error(`bucket ${settings.bucket}`, error);
    }
    return store;
  }

  /** Closes the connections; to be called by who opened it, after the last call. */
  close(): void {
    this.#client.destroy();
  }

  async put(key: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    checkObjectKey(key);
    checkNotAborted(key, signal);
    const command = putCommand(this.#place(key), body.byteLength, await sha256Of(key, body, signal));
    const stream = Readable.from(bodyPieces(key, body), { objectMode: false });
    command.input.Body = stream;
    try {
      await this.#client.send(command, abortable(signal));
    } catch (error) {
      checkNotAborted(key, signal);
      if (!isTaken(error)) throw s3Error(`object ${key}`, error);
      const { byteLength } = await this.head(key, signal);
      if (byteLength !== body.byteLength) throw objectDiffers(key, byteLength, body.byteLength);
    } finally {
      stream.destroy();
    }
  }

  async *get(key: string, range?: ObjectRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    checkObjectKey(key);
    checkObjectRange(key, range);
    checkNotAborted(key, signal);
    const { body, length } = await this.#open(key, range, signal);
    const abort = () => body.destroy(objectCallCancelled(key, signal?.reason));
    signal?.addEventListener('abort', abort, { once: true });
    let given = 0;
    try {
      checkNotAborted(key, signal);
      for await (const piece of withIdleTimeout(key, body, this.#idleTimeoutMs)) {
        given += piece.length;
        yield piece;
      }
      checkNotAborted(key, signal);
      if (given !== length) throw new Error(`it ended after ${given} of ${length} bytes`);
    } catch (error) {
      throw s3Error(`object ${key}`, error);
    } finally {
      signal?.removeEventListener('abort', abort);
      body.destroy();
    }
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    checkObjectKey(key);
    checkNotAborted(key, signal);
    try {
      await this.#client.send(new DeleteObjectCommand(this.#place(key)), abortable(signal));
    } catch (error) {
      const failure = s3Error(`object ${key}`, error);
      if (failure.code !== 'notFound') throw failure;
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    checkKeyPrefix(prefix);
    let token: string | undefined;
    do {
      checkNotAborted(prefix, signal);
      const page = await this.#client
        .send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            ContinuationToken: token,
          }),
          abortable(signal),
        )
        .catch((error: unknown) => {
          throw s3Error(`the list of bucket ${this.#bucket}`, error);
        });
      for (const { Key, Size } of page.Contents ?? []) {
        checkNotAborted(prefix, signal);
        if (Key !== undefined) yield { key: Key.slice(this.#prefix.length), byteLength: Size ?? 0 };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async head(key: string, signal?: AbortSignal): Promise<ObjectInfo> {
    checkObjectKey(key);
    checkNotAborted(key, signal);
    try {
      const { ContentLength } = await this.#client.send(new HeadObjectCommand(this.#place(key)), abortable(signal));
      return { key, byteLength: ContentLength ?? 0 };
    } catch (error) {
      throw s3Error(`object ${key}`, error);
    }
  }

  /** Starts a read: the body, and how many bytes it must give. */
  async #open(
    key: string,
    range: ObjectRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly body: Readable; readonly length: number }> {
    const Range = range === undefined ? undefined : `bytes=${range.offset}-${range.offset + range.length - 1}`;
    try {
      const command = new GetObjectCommand({ ...this.#place(key), ...(Range === undefined ? {} : { Range }) });
      const { Body, ContentLength } = await this.#client.send(command, abortable(signal));
      if (!(Body instanceof Readable) || ContentLength === undefined) throw new Error('the answer has no body');
      if (range === undefined || ContentLength === range.length) return { body: Body, length: ContentLength };
      Body.destroy();
      throw new DriveError('invalidArgument', `object ${key} ends before ${range.offset + range.length}`);
    } catch (error) {
      throw s3Error(`object ${key}`, error);
    }
  }

  #place(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }
}

function abortable(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** Reads the body once to know its hash; throws what a wrong or failing body throws, before anything is sent. */
async function sha256Of(key: string, body: ObjectBody, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of bodyPieces(key, body)) {
    checkNotAborted(key, signal);
    hash.update(piece);
  }
  checkNotAborted(key, signal);
  return hash.digest('hex');
}

/** A put of a stream that is signed with its SHA-256, as the SDK does by itself only for bytes in one piece. */
function putCommand(
  place: { readonly Bucket: string; readonly Key: string },
  byteLength: number,
  sha256: string,
): PutObjectCommand {
  const command = new PutObjectCommand({ ...place, ContentLength: byteLength, IfNoneMatch: '*' });
  command.middlewareStack.add(
    (next) => (context) => {
      const request = context.request as { headers: Record<string, string> };
      request.headers['x-amz-content-sha256'] = sha256;
      return next(context);
    },
    { step: 'build', name: 'holdfastContentSha256' },
  );
  return command;
}

/** The pieces of a body; throws `timeout` if the next one is asked for and does not come. */
async function* withIdleTimeout(key: string, body: Readable, idleTimeoutMs: number): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  for (;;) {
    const timer = setTimeout(() => {
      body.destroy(new DriveError('timeout', `object ${key}: no byte came for ${idleTimeoutMs} ms`));
    }, idleTimeoutMs);
    try {
      const next = await pieces.next();
      if (next.done === true) return;
      yield next.value;
    } finally {
      clearTimeout(timer);
    }
  }
}
