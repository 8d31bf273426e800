import type { Clock } from '../../protocol/environment.ts';
import { asDriveError, DriveError } from '../../protocol/errors.ts';
import type { ContentFile } from '../content/content-file.ts';
import type { ByteRange } from '../content/content-store.ts';
import { FuseError } from '../fuse/errno.ts';
import type { Hydrator } from '../hydration/hydrator.ts';
import { isPassing } from '../hydration/persistence.ts';
import type { Ino } from '../replica/local-inode.ts';

/** What reads need of a hydrator. */
export type ReadHydrator = Pick<Hydrator, 'ensure' | 'readAhead'>;

export interface BoundedReadsOptions {
  readonly hydrator: ReadHydrator & Pick<Hydrator, 'lastReceivedMs'>;
  readonly clock: Clock;
  /** How long a read waits while nothing comes from the server. */
  readonly ioTimeoutMs: number;
  /** Told once of each read that was given up, and why. */
  readonly gaveUp: (ino: Ino, error: DriveError) => void;
}

interface GivenUp {
  readonly generation: number;
  readonly range: ByteRange;
  readonly atMs: number;
}

/** The kernel comes back for the same pages at once. */
const secondRequestMs = 1_000;
const givenUpMax = 256;

/**
 * Reads that need the network, bounded: one waits as long as blocks keep coming, ends with EIO when none came for
 * `ioTimeoutMs` or the server could not be reached for so long, and can be interrupted at any time.
 *
 * One read(2) is two requests if the first fails: the kernel's readahead, and then the page itself. The second is
 * answered as the first was, or its caller would wait twice as long.
 */
export class BoundedReads implements ReadHydrator {
  readonly #options: BoundedReadsOptions;
  #givenUp: GivenUp[] = [];

  constructor(options: BoundedReadsOptions) {
    this.#options = options;
  }

  readAhead(file: ContentFile, range: ByteRange): void {
    this.#options.hydrator.readAhead(file, range);
  }

  /** As `Hydrator.ensure`, but throws EIO where that throws `timeout`, `unavailable` or `rateLimited`. */
  async ensure(file: ContentFile, offset: number, length: number, signal?: AbortSignal): Promise<void> {
    const range = { start: offset, end: offset + length };
    if (this.#wasGivenUp(file, range)) throw new FuseError('EIO');
    const late = new AbortController();
    const done = new AbortController();
    const signals = signal === undefined ? [late.signal] : [late.signal, signal];
    const watching = this.#watch(late, done.signal);
    try {
      await this.#options.hydrator.ensure(file, offset, length, AbortSignal.any(signals));
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#giveUp(file, range, asDriveError(error));
      throw new FuseError('EIO');
    } finally {
      done.abort();
      await watching;
    }
  }

  /** Aborts `late` when nothing came for too long; resolves at the latest when `done` aborts. */
  async #watch(late: AbortController, done: AbortSignal): Promise<void> {
    const { clock, hydrator, ioTimeoutMs } = this.#options;
    const sinceMs = clock.nowMs();
    for (;;) {
      const leftMs = Math.max(sinceMs, hydrator.lastReceivedMs) + ioTimeoutMs - clock.nowMs();
      if (leftMs <= 0) {
        late.abort(new DriveError('timeout', `nothing came from the server for ${ioTimeoutMs / 1000} s`));
        return;
      }
      try {
        await clock.sleep(leftMs, done);
      } catch (error) {
        if (!done.aborted) late.abort(error);
        return;
      }
    }
  }

  #giveUp(file: ContentFile, range: ByteRange, error: DriveError): void {
    this.#givenUp.push({ generation: file.generation, range, atMs: this.#options.clock.nowMs() });
    if (this.#givenUp.length > givenUpMax) this.#givenUp.shift();
    this.#options.gaveUp(file.ino, error);
  }

  #wasGivenUp(file: ContentFile, range: ByteRange): boolean {
    if (this.#givenUp.length === 0) return false;
    const { clock, hydrator } = this.#options;
    const recentMs = clock.nowMs() - secondRequestMs;
    this.#givenUp = this.#givenUp.filter(({ atMs }) => atMs >= recentMs && atMs >= hydrator.lastReceivedMs);
    return this.#givenUp.some(
      (each) => each.generation === file.generation && each.range.start < range.end && range.start < each.range.end,
    );
  }
}
