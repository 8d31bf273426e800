import type { BlockFrame } from '../../protocol/block-service.ts';
import { limits } from '../../protocol/limits.ts';
import { endFrameBytes, frameBytes, framesPerRequestMax } from '../../protocol/wire/block-frames.ts';

/** Cuts a stream of frames into as many as one request may hold, without holding more than one frame. */
export class FrameGroups {
  readonly #frames: AsyncIterator<BlockFrame>;
  #next: BlockFrame | undefined;
  #ended = false;

  constructor(frames: AsyncIterable<BlockFrame>) {
    this.#frames = frames[Symbol.asyncIterator]();
  }

  /** Whether there is another frame; waits until that is known. */
  async more(): Promise<boolean> {
    if (this.#next !== undefined) return true;
    if (this.#ended) return false;
    const result = await this.#frames.next();
    if (result.done === true) this.#ended = true;
    else this.#next = result.value;
    return !this.#ended;
  }

  /** The frames of the next request. Take the group to its end before the next. */
  async *group(): AsyncGenerator<BlockFrame, void, undefined> {
    let bytes = endFrameBytes;
    for (let count = 0; count < framesPerRequestMax && (await this.more()); count += 1) {
      const frame = this.#next;
      if (frame === undefined) return;
      bytes += frameBytes(frame);
      // A frame too large even for a request of its own is sent, so that the server says what is wrong with it.
      if (count > 0 && bytes > limits.putBlocksBytesMax) return;
      this.#next = undefined;
      yield frame;
    }
  }

  /** Lets go of the source. */
  async close(): Promise<void> {
    await this.#frames.return?.();
  }
}
