import { fstatSync, statSync } from 'node:fs';

/** The unit of `st_blocks`, stat(2). */
export const statBlockBytes = 512;
/** After so many bytes that were written, the disk is asked how many it holds. */
const measureBytes = 1024 * 1024;

/** How much of the local disk one content file takes: as measured last, and all that was written since. */
export class DiskUsage {
  readonly #path: string;
  readonly #grew: (bytes: number) => void;
  #bytes: number;
  #unmeasuredBytes = 0;

  /** `bytes`: what was counted for it before; `grew` is told of every difference. */
  constructor(path: string, bytes: number, grew: (bytes: number) => void) {
    this.#path = path;
    this.#bytes = bytes;
    this.#grew = grew;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether something was written since it was measured. */
  get isEstimate(): boolean {
    return this.#unmeasuredBytes > 0;
  }

  /** So many bytes were written: counted at once, and by the disk's own count now and then. */
  wrote(length: number, fd: number): void {
    this.#unmeasuredBytes += length;
    if (this.#unmeasuredBytes > measureBytes) this.measure(fd);
    else this.#count(length);
  }

  /** Counts what the disk says that the file takes: a hole takes nothing, a byte a whole block. */
  measure(fd: number | undefined): void {
    const stat = fd === undefined ? statSync(this.#path, { throwIfNoEntry: false }) : fstatSync(fd);
    this.#unmeasuredBytes = 0;
    this.#count((stat?.blocks ?? 0) * statBlockBytes - this.#bytes);
  }

  deleted(): void {
    this.#unmeasuredBytes = 0;
    this.#count(-this.#bytes);
  }

  #count(bytes: number): void {
    if (bytes === 0) return;
    this.#bytes += bytes;
    this.#grew(bytes);
  }
}
