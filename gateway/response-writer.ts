import type { ServerResponse } from 'node:http';
import { DriveError } from '../protocol/errors.ts';

/** Text gathered before it is handed to the socket. */
const pendingCharactersMax = 64 * 1024;

/** Writes a response body piece by piece, waiting whenever the client reads slower than we write. */
export class ResponseWriter {
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;
  #pending = '';

  /** `signal` must abort when the client goes away, or a wait for it would never end. */
  constructor(response: ServerResponse, signal: AbortSignal) {
    this.#response = response;
    this.#signal = signal;
  }

  async text(text: string): Promise<void> {
    this.#pending += text;
    if (this.#pending.length >= pendingCharactersMax) await this.#flush();
  }

  /** `sent` hears of the bytes once the network has taken them and nobody here looks at them any more. */
  async bytes(bytes: Uint8Array, sent?: (bytes: Uint8Array) => void): Promise<void> {
    // After a failed write they may still be in the hands of the network.
    const isRoomLeft = this.#response.write(bytes, (error) => {
      if (error === undefined || error === null) sent?.(bytes);
    });
    if (!isRoomLeft) await this.#drained();
  }

  async end(): Promise<void> {
    await this.#flush();
    this.#response.end();
  }

  async #flush(): Promise<void> {
    const text = this.#pending;
    this.#pending = '';
    if (text === '' || this.#response.write(text)) return;
    await this.#drained();
  }

  async #drained(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const gone = () => reject(new DriveError('cancelled', 'the client went away'));
    const drained = () => resolve(undefined);
    if (this.#signal.aborted) gone();
    this.#signal.addEventListener('abort', gone, { once: true });
    this.#response.once('drain', drained);
    try {
      await promise;
    } finally {
      this.#signal.removeEventListener('abort', gone);
      this.#response.off('drain', drained);
    }
  }
}
