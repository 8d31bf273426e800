import { hash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDriveError } from '../protocol/errors.ts';
import { diskError, hasErrno } from './disk-errors.ts';
import { removeLeftovers, temporaryName } from './disk-leftovers.ts';
import { bodyPieces } from './object-body.ts';
import {
  checkKeyPrefix,
  checkNotAborted,
  checkObjectKey,
  checkObjectRange,
  objectDiffers,
  objectMissing,
  rangeWithin,
  type ObjectBody,
  type ObjectInfo,
  type ObjectRange,
  type ObjectStore,
} from './object-store.ts';

const pieceBytes = 256 * 1024;
const shardCount = 256;

/**
 * An object store in a directory of a local file system, private to its user (directories 0700, files 0600).
 *
 *     DIRECTORY/objects/3f/packs~a1~0198…   key "packs/a1/0198…", in one of 256 shards by a hash of the key
 *     DIRECTORY/temporary/…                 being written; never listed, removed at the next start
 *
 * A put writes a temporary file, flushes it, links it to its place, and flushes the directory. The link is what makes the object
 * appear, whole, and it never replaces one that is there.
 */
export class DiskStore implements ObjectStore {
  readonly #objects: string;
  readonly #temporary: string;

  private constructor(directory: string) {
    this.#objects = join(directory, 'objects');
    this.#temporary = join(directory, 'temporary');
  }

  /** Opens the store in `directory`, making it if need be, and removes what crashed writers left. */
  static async open(directory: string): Promise<DiskStore> {
    const root = resolve(directory);
    const store = new DiskStore(root);
    try {
      await mkdir(store.#temporary, { recursive: true, mode: 0o700 });
      await mkdir(store.#objects, { recursive: true, mode: 0o700 });
      const present = new Set(await readdir(store.#objects));
      for (let shard = 0; shard < shardCount; shard++) {
        const name = shardName(shard);
        if (!present.has(name)) await mkdir(join(store.#objects, name), { recursive: true, mode: 0o700 });
      }
      await syncDirectory(store.#objects);
      await syncDirectory(root);
      await removeLeftovers(store.#temporary);
    } catch (error) {
      throw diskError(`the object store in ${root}`, error);
    }
    return store;
  }

  async put(key: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    checkObjectKey(key);
    checkNotAborted(key, signal);
    const place = this.#placeOf(key);
    const temporary = join(this.#temporary, temporaryName(randomUUID()));
    try {
      try {
        await writeDurably(temporary, key, body, signal);
        await link(temporary, place.path).catch((error: unknown) => {
          if (!hasErrno(error, 'EEXIST')) throw error;
        });
      } finally {
        await unlink(temporary).catch(() => undefined); // what stays is removed at the next start
      }
      // Also for an object that was there: its maker may not have come to this yet.
      await syncDirectory(place.directory);
      const held = (await stat(place.path)).size;
      if (held !== body.byteLength) throw objectDiffers(key, held, body.byteLength);
    } catch (error) {
      throw isDriveError(error) ? error : diskError(`object ${key}`, error);
    }
  }

  async *get(key: string, range?: ObjectRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    checkObjectKey(key);
    checkObjectRange(key, range);
    checkNotAborted(key, signal);
    let file: FileHandle | undefined;
    try {
      file = await open(this.#placeOf(key).path, constants.O_RDONLY | constants.O_NOFOLLOW);
      const { offset, length } = rangeWithin(key, (await file.stat()).size, range);
      for (let at = offset; at < offset + length;) {
        checkNotAborted(key, signal);
        const wanted = Math.min(pieceBytes, offset + length - at);
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(wanted), 0, wanted, at);
        if (bytesRead === 0) throw new Error(`the file ends at ${at}`);
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
      checkNotAborted(key, signal);
    } catch (error) {
      throw this.#readError(key, error);
    } finally {
      await file?.close();
    }
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    checkObjectKey(key);
    checkNotAborted(key, signal);
    const place = this.#placeOf(key);
    try {
      await unlink(place.path).catch((error: unknown) => {
        if (!hasErrno(error, 'ENOENT')) throw error;
      });
      await syncDirectory(place.directory);
    } catch (error) {
      throw diskError(`object ${key}`, error);
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    checkKeyPrefix(prefix);
    for (let shard = 0; shard < shardCount; shard++) {
      checkNotAborted(prefix, signal);
      const directory = join(this.#objects, shardName(shard));
      try {
        for (const entry of await readdir(directory, { withFileTypes: true })) {
          const key = keyOfFile(entry.name);
          if (!entry.isFile() || !key.startsWith(prefix)) continue;
          const byteLength = await sizeIfThere(join(directory, entry.name));
          checkNotAborted(prefix, signal);
          if (byteLength !== undefined) yield { key, byteLength };
        }
      } catch (error) {
        throw isDriveError(error) ? error : diskError(`the directory ${directory} of the object store`, error);
      }
    }
  }

  async head(key: string, signal?: AbortSignal): Promise<ObjectInfo> {
    checkObjectKey(key);
    checkNotAborted(key, signal);
    try {
      return { key, byteLength: (await stat(this.#placeOf(key).path)).size };
    } catch (error) {
      throw this.#readError(key, error);
    }
  }

  #placeOf(key: string): { readonly directory: string; readonly path: string } {
    const shard = hash('sha256', key, 'hex').slice(0, 2);
    const directory = join(this.#objects, shard);
    return { directory, path: join(directory, key.replaceAll('/', '~')) };
  }

  #readError(key: string, error: unknown): unknown {
    if (isDriveError(error)) return error;
    return hasErrno(error, 'ENOENT') ? objectMissing(key, error) : diskError(`object ${key}`, error);
  }
}

function shardName(shard: number): string {
  return shard.toString(16).padStart(2, '0');
}

function keyOfFile(name: string): string {
  return name.replaceAll('~', '/');
}

async function sizeIfThere(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function writeDurably(path: string, key: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const piece of bodyPieces(key, body)) {
      checkNotAborted(key, signal);
      for (let at = 0; at < piece.length;) at += (await file.write(piece, at)).bytesWritten;
    }
    checkNotAborted(key, signal);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
