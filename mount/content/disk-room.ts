import { statfsSync } from 'node:fs';

/**
 * So much of the disk is left to what the mount must record: without it nothing could be marked as uploaded, and so nothing be
 * evicted, and a full disk would stay full for ever. On a small disk it is this share.
 */
const reserveBytesMax = 64 * 1024 * 1024;
const reserveShare = 1 / 8;
/** Others fill the disk too: it is asked again after so many bytes at the latest. */
const allowanceBytesMax = 64 * 1024 * 1024;
const roundsMax = 8;

/** The room on the local disk for the bytes of content files. */
export class DiskRoom {
  readonly #directory: string;
  readonly #evict: () => boolean;
  /** What may be written before the disk is asked again. */
  #allowanceBytes = 0;

  /** `evict` frees what can be freed at once, and returns whether anything was. */
  constructor(directory: string, evict: () => boolean) {
    this.#directory = directory;
    this.#evict = evict;
  }

  /** Sees to it that there is room for so many bytes. Throws as write(2) does (`ENOSPC`) if there is none. */
  claim(bytes: number): void {
    for (let round = 1; !this.#isThere(bytes); round += 1) {
      if (round > roundsMax || !this.make())
        throw Object.assign(new Error('the local disk is full'), { code: 'ENOSPC' });
    }
  }

  /** Frees some room; returns whether there was anything to free. */
  make(): boolean {
    this.#allowanceBytes = 0;
    return this.#evict();
  }

  #isThere(bytes: number): boolean {
    if (bytes > this.#allowanceBytes) {
      const { blocks, bavail, bsize } = statfsSync(this.#directory);
      const spareBytes = bavail * bsize - Math.min(reserveBytesMax, blocks * bsize * reserveShare);
      if (spareBytes < bytes) return false;
      this.#allowanceBytes = Math.max(bytes, Math.min(allowanceBytesMax, spareBytes / 2));
    }
    this.#allowanceBytes -= bytes;
    return true;
  }
}
