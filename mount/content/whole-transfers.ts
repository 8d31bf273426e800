import { readSync, writeSync } from 'node:fs';
import { codeOf, ShortWrite } from './disk-errors.ts';
import type { DiskRoom } from './disk-room.ts';

/** Reads `length` bytes at `offset`; what the file does not have reads as zeros, and never as old memory. */
export function readWhole(fd: number, offset: number, target: Uint8Array, length: number): void {
  let done = 0;
  while (done < length) {
    const got = readSync(fd, target, done, length - done, offset + done);
    if (got === 0) break;
    done += got;
  }
  if (done < length) target.fill(0, done, length);
}

/** Writes all bytes; with the disk full it has room made once, and throws `ShortWrite` if there still is none. */
export function writeWhole(fd: number, offset: number, data: Uint8Array, room: DiskRoom): number {
  let done = 0;
  let hasMadeRoom = false;
  while (done < data.length) {
    try {
      if (done === 0) room.claim(data.length);
      done += writeSync(fd, data, done, data.length - done, offset + done);
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC' || hasMadeRoom || !room.make()) throw new ShortWrite(done, error);
      hasMadeRoom = true;
    }
  }
  return done;
}
