import { openSync, closeSync, mkdtempSync, readSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteRange, DrainSource } from '../../../mount/content/content-store.ts';

/** A content file as a drain sees it, of which a part may be missing until it is hydrated. */
export class FileSource implements DrainSource {
  readonly size: number;
  readonly path: string;
  dirtyRanges: readonly ByteRange[];
  dataRanges: readonly ByteRange[];
  /** What `read` brought in. */
  readonly hydrated: ByteRange[] = [];
  reads = 0;
  readonly #directory = mkdtempSync(join(tmpdir(), 'holdfast-pipeline-'));
  readonly #missing: ByteRange | undefined;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, options: { readonly missing?: ByteRange; readonly dirty?: readonly ByteRange[] } = {}) {
    this.#bytes = bytes;
    this.#missing = options.missing;
    this.size = bytes.length;
    this.path = join(this.#directory, 'content');
    this.dirtyRanges = options.dirty ?? [{ start: 0, end: bytes.length }];
    this.dataRanges = [{ start: 0, end: bytes.length }];
    const onDisk = Buffer.from(bytes);
    if (this.#missing !== undefined) onDisk.fill(0, this.#missing.start, this.#missing.end);
    writeFileSync(this.path, onDisk);
  }

  isLocal(offset: number, length: number): boolean {
    if (this.#missing === undefined || this.hydrated.length > 0) return true;
    return offset + length <= this.#missing.start || offset >= this.#missing.end;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.reads += 1;
    if (!this.isLocal(offset, length) && this.#missing !== undefined) {
      const { start, end } = this.#missing;
      this.write(start, this.#bytes.subarray(start, end));
      this.hydrated.push(this.#missing);
    }
    const target = new Uint8Array(length);
    const fd = openSync(this.path, 'r');
    try {
      return target.subarray(0, readSync(fd, target, 0, length, offset));
    } finally {
      closeSync(fd);
    }
  }

  /** Changes the file under the pipeline's feet. */
  write(offset: number, bytes: Uint8Array): void {
    const fd = openSync(this.path, 'r+');
    try {
      writeSync(fd, bytes, 0, bytes.length, offset);
    } finally {
      closeSync(fd);
    }
  }

  cutTo(size: number): void {
    truncateSync(this.path, size);
  }

  async close(): Promise<void> {
    rmSync(this.#directory, { recursive: true });
  }
}
