import { write } from 'node:fs';
import { DriveError } from '../../protocol/errors.ts';
import { notifyCodes } from './constants.ts';

/** sizeof(struct fuse_out_header). */
const headerBytes = 16;

/** More than any commit changes; whoever awaits what it sends never gets near. */
const queueMax = 65_536;

interface Queued {
  readonly message: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Tells the kernel what it must no longer believe. Each call resolves when the kernel has taken it in; from then on no
 * process sees what was cached before.
 *
 * The kernel carries a notification out within the write, and waits there for locks that a request holds which this
 * thread has yet to answer. So they are written from the thread pool, and one at a time: several that wait would take
 * all of the pool's threads, which the answer may need. For the same reason a handler must not await a notification
 * about the inode it is asked about.
 */
export class Notifier {
  readonly #fd: number;
  readonly #queue: Queued[] = [];
  #writing = false;
  #closed = false;
  #idle = Promise.withResolvers<void>();

  constructor(fd: number) {
    this.#fd = fd;
    this.#idle.resolve();
  }

  /**
   * Drops attributes and the cached bytes from `offset` on: `length` of them, or all with 0. Of a directory, the
   * cached listing.
   */
  invalidateContent(ino: number, offset = 0, length = 0): Promise<void> {
    return this.#notifyInode(ino, offset, length);
  }

  /** Drops cached attributes only. */
  invalidateAttributes(ino: number): Promise<void> {
    return this.#notifyInode(ino, -1, 0);
  }

  /** The name leads elsewhere or nowhere, or no longer nowhere: it is looked up again when it is next used. */
  invalidateEntry(parent: number, name: string): Promise<void> {
    const { message, body } = allocate(notifyCodes.invalidateEntry, 16 + Buffer.byteLength(name) + 1);
    body.writeBigUInt64LE(BigInt(parent), 0);
    body.writeUInt32LE(Buffer.byteLength(name), 8);
    body.write(name, 16);
    return this.#enqueue(message);
  }

  /** As `invalidateEntry`, and whoever watches the directory (inotify) learns that `child` was deleted. */
  deleteEntry(parent: number, child: number, name: string): Promise<void> {
    const { message, body } = allocate(notifyCodes.delete, 24 + Buffer.byteLength(name) + 1);
    body.writeBigUInt64LE(BigInt(parent), 0);
    body.writeBigUInt64LE(BigInt(child), 8);
    body.writeUInt32LE(Buffer.byteLength(name), 16);
    body.write(name, 24);
    return this.#enqueue(message);
  }

  /** Sends nothing more and resolves when nothing is being written; what waits is moot and resolves too. */
  close(): Promise<void> {
    this.#closed = true;
    for (const { resolve } of this.#queue.splice(0)) resolve();
    return this.#idle.promise;
  }

  #notifyInode(ino: number, offset: number, length: number): Promise<void> {
    const { message, body } = allocate(notifyCodes.invalidateInode, 24);
    body.writeBigUInt64LE(BigInt(ino), 0);
    body.writeBigInt64LE(BigInt(offset), 8);
    body.writeBigInt64LE(BigInt(length), 16);
    return this.#enqueue(message);
  }

  #enqueue(message: Buffer): Promise<void> {
    // Without a mount there is no cache to be wrong.
    if (this.#closed) return Promise.resolve();
    if (this.#queue.length >= queueMax) {
      return Promise.reject(
        new DriveError('tooLarge', `${queueMax} kernel notifications are waiting; await some before sending more`),
      );
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ message, resolve, reject });
      if (!this.#writing) this.#writeNext();
    });
  }

  #writeNext(): void {
    const next = this.#queue.shift();
    if (next === undefined) {
      this.#writing = false;
      this.#idle.resolve();
      return;
    }
    if (!this.#writing) this.#idle = Promise.withResolvers<void>();
    this.#writing = true;
    write(this.#fd, next.message, 0, next.message.length, null, (error) => {
      if (error === null || isMoot(error)) next.resolve();
      else next.reject(new DriveError('unavailable', `the kernel refused a notification: ${error.message}`));
      this.#writeNext();
    });
  }
}

/**
 * ENOENT: the kernel has nothing cached of it. ENODEV, EPERM, ECONNABORTED: there is no mount any more. ENOTDIR,
 * ENOTEMPTY: what DELETE named is not what the kernel knows, and its entry was dropped all the same.
 */
function isMoot(error: NodeJS.ErrnoException): boolean {
  return ['ENOENT', 'ENODEV', 'EPERM', 'ECONNABORTED', 'ENOTDIR', 'ENOTEMPTY'].includes(error.code ?? '');
}

/** A notification is a reply to no request (unique 0) whose error field is its code. */
function allocate(code: number, bodyBytes: number): { message: Buffer; body: Buffer } {
  const message = Buffer.alloc(headerBytes + bodyBytes);
  message.writeUInt32LE(message.length, 0);
  message.writeInt32LE(code, 4);
  return { message, body: message.subarray(headerBytes) };
}
