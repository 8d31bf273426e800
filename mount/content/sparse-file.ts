import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';
import { DriveError } from '../../protocol/errors.ts';

/**
 * The calls for sparse files that Node lacks. Where the machine has none (not Linux, or a filesystem that cannot),
 * they answer "not possible" and the caller goes the long way.
 */

const keepSize = 0x01; // FALLOC_FL_KEEP_SIZE, linux/falloc.h
const punchHoleMode = 0x02; // FALLOC_FL_PUNCH_HOLE
const seekData = 3; // SEEK_DATA, lseek(2)
const seekHole = 4; // SEEK_HOLE
const enxio = 6;
const enospc = 28;

type Fallocate = (fd: number, mode: number, offset: number, length: number) => number;
type Lseek = (fd: number, offset: number, whence: number) => number;
/** As koffi gives it: beside the call itself one that runs in its thread pool. */
interface Syncfs {
  async(fd: number, callback: (error: Error | null, result: number) => void): void;
}

const calls = load();

function load(): { readonly fallocate: Fallocate; readonly lseek: Lseek; readonly syncfs: Syncfs } | undefined {
  if (process.platform !== 'linux') return undefined;
  const libc = koffi.load(null);
  return {
    fallocate: libc.func('int fallocate64(int fd, int mode, int64_t offset, int64_t length)') as unknown as Fallocate,
    lseek: libc.func('int64_t lseek64(int fd, int64_t offset, int whence)') as unknown as Lseek,
    syncfs: libc.func('int syncfs(int fd)') as unknown as Syncfs,
  };
}

/** Gives a range's disk space back; it reads as zeros then. Returns false where the filesystem cannot. */
export function punchHole(fd: number, offset: number, length: number): boolean {
  return calls !== undefined && calls.fallocate(fd, punchHoleMode | keepSize, offset, length) === 0;
}

/** Reserves disk space, so that writing there cannot run out of it. Throws `noSpace`; elsewhere does what it can. */
export function reserveSpace(fd: number, offset: number, length: number): void {
  if (calls === undefined || calls.fallocate(fd, keepSize, offset, length) === 0) return;
  if (koffi.errno() === enospc) {
    throw new DriveError(
      'noSpace',
      `the local disk has no room for ${length} more bytes; free some space and try again`,
    );
  }
}

/** The first data at or after `offset`, or `undefined` if only a hole follows. Without SEEK_DATA all is data. */
export function nextData(fd: number, offset: number): number | undefined {
  const at = calls?.lseek(fd, offset, seekData) ?? offset;
  if (at >= 0) return at;
  return koffi.errno() === enxio ? undefined : offset;
}

/** The first hole at or after `offset`, the end of the file counting as one. */
export function nextHole(fd: number, offset: number, size: number): number {
  const at = calls?.lseek(fd, offset, seekHole) ?? size;
  return at >= 0 ? at : size;
}

/** Brings all of the filesystem that holds `directory` to its disk; returns whether that was done within `timeoutMs`. */
export async function syncFilesystem(directory: string, timeoutMs: number): Promise<boolean> {
  if (calls === undefined) return false;
  const { syncfs } = calls;
  const fd = openSync(directory, 'r');
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), timeoutMs);
    syncfs.async(fd, (error, result) => {
      clearTimeout(timer);
      closeSync(fd);
      resolve(error === null && result === 0);
    });
  });
}
