import type { ClientRequest, IncomingMessage } from 'node:http';
import { asDriveError, DriveError, isDriveError } from '../../protocol/errors.ts';
import type { RemoteTimeouts } from './remote-server.ts';

/** What a request sends: bytes at once, or a stream that is pulled as fast as the network takes it. */
export type RequestBody = Uint8Array | AsyncIterable<Uint8Array>;

export interface HttpExchangeOptions {
  readonly request: ClientRequest;
  readonly timeouts: RemoteTimeouts;
  /** For messages. */
  readonly origin: string;
  readonly signal: AbortSignal | undefined;
  /** Hears of each piece of a streamed body once the network has taken it and nobody here looks at it any more. */
  readonly sent?: ((piece: Uint8Array) => void) | undefined;
}

/**
 * One request and its answer, each stage bounded. Failures are `DriveError`s: `timeout`, `cancelled` by the signal, the
 * body's own, or `unavailable` for everything the network does.
 */
export class HttpExchange {
  readonly #request: ClientRequest;
  readonly #options: HttpExchangeOptions;
  readonly #timers = new Set<NodeJS.Timeout>();
  #failure: DriveError | undefined;
  #response: IncomingMessage | undefined;
  #awaitsHeaders = false;

  constructor(options: HttpExchangeOptions) {
    this.#options = options;
    this.#request = options.request;
    options.signal?.addEventListener('abort', this.#abort, { once: true });
    this.#request.once('close', () => {
      this.#settle();
    });
    this.#boundConnect();
    this.#boundIdle();
  }

  /** Whether the request went out on a connection that was open before and may have been closed meanwhile. */
  get reusedConnection(): boolean {
    return this.#request.reusedSocket;
  }

  /** Sends the request and resolves with the head of the answer, which may come before the body is sent. */
  async send(body: RequestBody): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      this.#request.once('error', (error) => reject(this.#explain(error)));
      this.#request.once('response', (response) => {
        this.#awaitsHeaders = false;
        this.#response = response;
        // Errors of the answer reach whoever iterates over it; nobody may.
        response.on('error', () => {});
        resolve(response);
      });
      if (this.#options.signal?.aborted === true) this.#abort();
      else this.#sendBody(body);
    });
  }

  /** The answer's body. Stopping early, or a failure, closes the connection; after the end it can be used again. */
  async *body(response: IncomingMessage): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* response as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Gives up what is still under way. */
  destroy(): void {
    this.#request.destroy();
  }

  #sendBody(body: RequestBody): void {
    this.#request.once('finish', () => {
      this.#awaitsHeaders = true;
      this.#bound(this.#options.timeouts.headersMs, 'did not answer in time', () => this.#awaitsHeaders);
    });
    if (body instanceof Uint8Array) {
      this.#request.end(body);
      return;
    }
    void this.#sendPieces(body).catch((error: unknown) => this.#fail(asDriveError(error)));
  }

  async #sendPieces(body: AsyncIterable<Uint8Array>): Promise<void> {
    const { sent } = this.#options;
    for await (const piece of body) {
      if (this.#request.destroyed) return;
      // After a failed write the piece may still be in the hands of the network.
      const isRoomLeft = this.#request.write(piece, (error) => {
        if (error === undefined || error === null) sent?.(piece);
      });
      if (!isRoomLeft) await this.#drained();
    }
    this.#request.end();
  }

  /** Resolves when the request takes more, or is over. */
  #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = () => {
      this.#request.off('drain', done);
      this.#request.off('close', done);
      resolve();
    };
    this.#request.on('drain', done);
    this.#request.on('close', done);
    return promise;
  }

  #boundConnect(): void {
    this.#request.once('socket', (socket) => {
      if (!socket.connecting) return;
      let connected = false;
      const timer = this.#bound(this.#options.timeouts.connectMs, 'cannot be reached in time', () => !connected);
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
        connected = true;
        clearTimeout(timer);
      });
    });
  }

  #boundIdle(): void {
    const { idleMs } = this.#options.timeouts;
    this.#request.setTimeout(idleMs, () => {
      // The wait for the answer's head has a bound of its own.
      if (this.#awaitsHeaders) return;
      // With bytes waiting to be read it is the reader who is slow: look again later.
      if ((this.#response?.readableLength ?? 0) > 0) this.#request.setTimeout(idleMs);
      else this.#fail(new DriveError('timeout', `${this.#options.origin} went silent`));
    });
  }

  #bound(timeoutMs: number, what: string, late: () => boolean): NodeJS.Timeout {
    const timer = setTimeout(() => {
      if (late()) this.#fail(new DriveError('timeout', `${this.#options.origin} ${what}`));
    }, timeoutMs);
    this.#timers.add(timer);
    return timer;
  }

  readonly #abort = (): void => {
    this.#fail(new DriveError('cancelled', `the request to ${this.#options.origin} was given up`));
  };

  #fail(error: DriveError): void {
    this.#failure ??= error;
    this.#request.destroy(error);
  }

  #settle(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#options.signal?.removeEventListener('abort', this.#abort);
  }

  #explain(error: unknown): DriveError {
    if (this.#failure !== undefined) return this.#failure;
    if (isDriveError(error)) return error;
    const reason = error instanceof Error ? error.message : String(error);
    return new DriveError('unavailable', `${this.#options.origin} cannot be reached: ${reason}`, { cause: error });
  }
}
