import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import { DriveError } from '../../protocol/errors.ts';

const lockExclusive = 2; // LOCK_EX, flock(2)
const lockNonBlocking = 4; // LOCK_NB

const flock = koffi.load(null).func('int flock(int fd, int operation)') as unknown as (
  fd: number,
  operation: number,
) => number;

/**
 * Keeps a cache directory to one process: two over the same replica would undo each other's work. The kernel lets go
 * of the lock when its process dies, however that happens, so a stale one cannot be.
 */
export class CacheLock {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Makes the directory (0700) if it is missing, and locks it. Throws `locked` if another process has it. */
  static acquire(directory: string): CacheLock {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, 'lock');
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    if (flock(fd, lockExclusive | lockNonBlocking) !== 0) {
      closeSync(fd);
      const owner = readFileSync(path, 'utf8').trim();
      throw new DriveError(
        'locked',
        `the cache ${directory} is in use by process ${owner}; unmount that one first, or choose another cache with --cache`,
      );
    }
    ftruncateSync(fd, 0);
    writeSync(fd, `${process.pid}\n`, 0);
    return new CacheLock(fd);
  }

  release(): void {
    closeSync(this.#fd);
  }
}
