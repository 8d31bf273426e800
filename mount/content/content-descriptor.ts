import { closeSync, constants, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, errorOfDisk } from './disk-errors.ts';

/** Opens a content file for reading and writing, private to its user; makes it, and the directory it is in, if need be. */
export function openContent(path: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT;
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, flags, 0o600);
  }
}

/** Brings the names in a directory to the disk. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Deletes a content file, if it is there, in the thread pool: on a busy disk that may take milliseconds. */
export async function deleteContentAside(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw errorOfDisk(error, path);
  }
}
