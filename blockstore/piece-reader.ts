import { DriveError } from '../protocol/errors.ts';
import { freeBytes } from '../protocol/spent-memory.ts';

/** Reads exact lengths from a stream of pieces of any size, which are its own then; holds no more than what is being read. */
export class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #what: string;
  #piece: Uint8Array = new Uint8Array(0);
  /** What is left of it. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Where what lies in several pieces is put together. */
  #joined: Uint8Array = new Uint8Array(0);

  /** `what` names the stream in messages. */
  constructor(pieces: AsyncIterable<Uint8Array>, what: string) {
    this.#pieces = pieces[Symbol.asyncIterator]();
    this.#what = what;
  }

  /** The next `length` bytes, in memory that is used again by the next read; throws `corrupt` if the stream ends before. */
  async read(length: number): Promise<Uint8Array> {
    if (this.#rest.length >= length) return this.#take(length);
    if (this.#joined.length < length) this.#joined = Buffer.allocUnsafeSlow(length);
    const out = this.#joined.subarray(0, length);
    for (let at = 0; at < length;) {
      if (this.#rest.length === 0) await this.#advance();
      const piece = this.#take(Math.min(length - at, this.#rest.length));
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }

  /** Passes over `length` bytes. */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) {
      if (this.#rest.length === 0) await this.#advance();
      left -= this.#take(Math.min(left, this.#rest.length)).length;
    }
  }

  /** Lets go of the stream; also when it has not ended. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
    freeBytes(this.#piece);
    freeBytes(this.#joined);
    this.#rest = this.#piece;
  }

  #take(length: number): Uint8Array {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  async #advance(): Promise<void> {
    const next = await this.#pieces.next();
    if (next.done === true) throw new DriveError('corrupt', `${this.#what} ended too early`);
    freeBytes(this.#piece);
    this.#piece = next.value;
    this.#rest = next.value;
  }
}
