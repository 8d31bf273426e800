import type { Device } from './device.ts';
import { errno } from './errno.ts';
import type { Readiness } from './system-calls.ts';

export interface ReadLoopTiming {
  /**
   * After an answer the next request of a sequential program comes within microseconds: so long the thread waits for
   * it right there before it goes back to the event loop, whose turn costs more than the wait.
   */
  readonly lingerUs: number;
  /** After so long timers and the network get their turn, however many requests there are. */
  readonly burstMsMax: number;
}

export const defaultReadLoopTiming: ReadLoopTiming = { lingerUs: 50, burstMsMax: 4 };

export interface ReadLoopHandlers {
  /** Where the next request is to be read to. */
  nextBuffer(): Buffer;
  /** One request of `length` bytes was read into it. */
  serve(length: number): void;
  /** Whether something else on this thread is waited for, so that lingering would only delay it. */
  busyElsewhere(): boolean;
  /** The connection is gone (`errno` ENODEV after an unmount, ECONNABORTED after an abort) or broken. Called once. */
  ended(errno: number): void;
}

/**
 * Reads requests on the event loop's own thread. Waiting for the first is the event loop's affair (epoll), so an idle
 * mount costs nothing; from there requests are served in a burst, each answered before the next is read.
 */
export class ReadLoop {
  readonly #device: Device;
  readonly #handlers: ReadLoopHandlers;
  readonly #timing: ReadLoopTiming;
  #readiness: Readiness | undefined;
  #scheduled = false;
  #ended = false;

  constructor(device: Device, handlers: ReadLoopHandlers, timing: ReadLoopTiming = defaultReadLoopTiming) {
    this.#device = device;
    this.#handlers = handlers;
    this.#timing = timing;
  }

  start(): void {
    this.#readiness = this.#device.whenReadable(() => this.#schedule());
  }

  /** Reads no more. Idempotent. */
  stop(): void {
    this.#ended = true;
    this.#readiness?.close();
    this.#readiness = undefined;
  }

  #schedule(): void {
    if (this.#scheduled || this.#ended) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#burst();
    });
  }

  #burst(): void {
    const end = performance.now() + this.#timing.burstMsMax;
    while (!this.#ended) {
      const length = this.#device.read(this.#handlers.nextBuffer());
      if (length > 0) {
        this.#handlers.serve(length);
        if (performance.now() >= end) return this.#schedule();
      } else if (length === -errno.EAGAIN) {
        if (this.#handlers.busyElsewhere() || !this.#device.waitBriefly(this.#timing.lingerUs)) return;
      } else if (length !== -errno.EINTR && length !== -errno.ENOENT) {
        // ENOENT: the request was taken back while it was being read.
        this.stop();
        this.#handlers.ended(-length);
      }
    }
  }
}
