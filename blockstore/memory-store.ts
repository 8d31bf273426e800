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

const pieceBytes = 64 * 1024;

/** An object store in this process's memory, for tests and trials: durable as long as the process lives. */
export class MemoryStore implements ObjectStore {
  readonly #objects = new Map<string, Uint8Array>();

  async put(key: string, body: ObjectBody, signal?: AbortSignal): Promise<void> {
    checkObjectKey(key);
    checkNotAborted(key, signal);
    const parts: Uint8Array[] = [];
    for await (const piece of bodyPieces(key, body)) {
      checkNotAborted(key, signal);
      parts.push(Uint8Array.from(piece));
    }
    const held = this.#objects.get(key);
    if (held !== undefined && held.length !== body.byteLength) {
      throw objectDiffers(key, held.length, body.byteLength);
    }
    if (held === undefined) this.#objects.set(key, Buffer.concat(parts));
  }

  async *get(key: string, range?: ObjectRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    checkObjectKey(key);
    checkObjectRange(key, range);
    const bytes = this.#held(key);
    const { offset, length } = rangeWithin(key, bytes.length, range);
    for (let at = offset; at < offset + length; at += pieceBytes) {
      checkNotAborted(key, signal);
      yield Uint8Array.from(bytes.subarray(at, Math.min(at + pieceBytes, offset + length)));
    }
    checkNotAborted(key, signal);
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    checkObjectKey(key);
    checkNotAborted(key, signal);
    this.#objects.delete(key);
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    checkKeyPrefix(prefix);
    // A copy: a map that is changed while it is walked through shows an object again that was put again.
    for (const [key, bytes] of [...this.#objects]) {
      checkNotAborted(prefix, signal);
      if (key.startsWith(prefix)) yield { key, byteLength: bytes.length };
    }
  }

  async head(key: string, signal?: AbortSignal): Promise<ObjectInfo> {
    checkObjectKey(key);
    checkNotAborted(key, signal);
    return { key, byteLength: this.#held(key).length };
  }

  #held(key: string): Uint8Array {
    const bytes = this.#objects.get(key);
    if (bytes === undefined) throw objectMissing(key);
    return bytes;
  }
}
