import { isAbsolute } from 'node:path';
import { DriveError } from '../protocol/errors.ts';
import { DiskStore } from './disk-store.ts';
import { MemoryStore } from './memory-store.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * Opens the object store that `url` names:
 *
 *     disk:DIRECTORY      a directory of the local file system, made if need be
 *     memory:             this process's memory, for trials
 *
 * Throws `invalidArgument` for anything else.
 */
export async function openObjectStore(url: string): Promise<ObjectStore> {
  if (url === 'memory:') return new MemoryStore();
  if (url.startsWith('disk:')) return DiskStore.open(diskDirectory(url));
  throw new DriveError(
    'invalidArgument',
    `${JSON.stringify(url)} is no store: use disk:DIRECTORY or s3://BUCKET/PREFIX`,
  );
}

function diskDirectory(url: string): string {
  const directory = url.slice('disk:'.length);
  if (directory === '' || (directory.startsWith('//') && !isAbsolute(directory.slice(2)))) {
    throw new DriveError('invalidArgument', `${JSON.stringify(url)} names no directory: use disk:DIRECTORY`);
  }
  return directory;
}
