import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../protocol/environment.ts';
import { DriveError } from '../protocol/errors.ts';
import type { GatewayLimits } from './gateway-limits.ts';

export interface RequestBodiesOptions {
  readonly clock: Clock;
  readonly limits: GatewayLimits;
}

/** Takes in request bodies, bounded in bytes, in time, and in memory over all requests. */
export class RequestBodies {
  readonly #clock: Clock;
  readonly #limits: GatewayLimits;
  #bufferedBytes = 0;

  constructor({ clock, limits }: RequestBodiesOptions) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /**
   * The body as it arrives; a client that waits for `100 Continue` gets it with the first pull. Throws `tooLarge`,
   * `timeout` for one slower than allowed, and `cancelled` if the client goes away.
   */
  async *stream(
    request: IncomingMessage,
    response: ServerResponse,
    bytesMax: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax);
    if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue();
    const startMs = this.#clock.nowMs();
    let bytes = 0;
    // The request must outlive this loop, so that a refusal can be answered.
    const pieces = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    try {
      for await (const piece of pieces) {
        bytes += piece.length;
        if (bytes > bytesMax) throw tooLarge(bytesMax);
        this.#checkPace(bytes, this.#clock.nowMs() - startMs);
        yield piece;
      }
    } catch (error) {
      if (!request.destroyed || error instanceof DriveError) throw error;
      throw new DriveError('cancelled', 'the client went away in the middle of its request', { cause: error });
    }
  }

  /** Reads a whole body and gives it to `use`; until that is done it counts as buffered. Throws as `stream`, and `unavailable` when memory for bodies is used up. */
  async buffered<Result>(
    request: IncomingMessage,
    response: ServerResponse,
    bytesMax: number,
    use: (body: Uint8Array) => Promise<Result>,
  ): Promise<Result> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const piece of this.stream(request, response, bytesMax)) {
        bytes += piece.length;
        this.#bufferedBytes += piece.length;
        if (this.#bufferedBytes > this.#limits.bufferedBodyBytesMax) {
          throw new DriveError('unavailable', 'the server is busy with large requests; try again in a moment');
        }
        pieces.push(piece);
      }
      return await use(Buffer.concat(pieces));
    } finally {
      this.#bufferedBytes -= bytes;
    }
  }

  /** An idle connection is closed by the server's own timeout; this is for the one that drips. */
  #checkPace(bytes: number, elapsedMs: number): void {
    const lateMs = elapsedMs - this.#limits.bodyGraceMs;
    if (lateMs > 0 && bytes < (lateMs / 1000) * this.#limits.bodyBytesPerSecondMin) {
      throw new DriveError('timeout', 'the request body came too slowly');
    }
  }
}

function tooLarge(bytesMax: number): DriveError {
  return new DriveError('tooLarge', `the body of this request has at most ${bytesMax} bytes`);
}
