import { fileTypeBits } from '../../../mount/fuse/constants.ts';
import type { FuseAttributes } from '../../../mount/fuse/fuse-filesystem.ts';

/** Names of a directory; each keeps the cookie it got when it was first set, above those of "." and "..". */
class Children extends Map<string, MemoryNode> {
  readonly #cookies = new Map<string, number>();
  #nextCookie = 3;

  override set(name: string, node: MemoryNode): this {
    if (!this.has(name)) {
      this.#cookies.set(name, this.#nextCookie);
      this.#nextCookie += 1;
    }
    return super.set(name, node);
  }

  cookie(name: string): number {
    return this.#cookies.get(name) ?? 0;
  }
}

/** One inode in memory. */
export class MemoryNode {
  readonly ino: number;
  readonly children = new Children();
  readonly xattrs = new Map<string, Uint8Array>();
  mode: number;
  uid: number;
  gid: number;
  nlink = 1;
  rdev = 0;
  target = '';
  size = 0;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  opens = 0;
  lookups = 0;
  #content = Buffer.alloc(0);

  constructor(ino: number, mode: number, owner: { readonly uid: number; readonly gid: number }, nowNs: bigint) {
    this.ino = ino;
    this.mode = mode;
    this.uid = owner.uid;
    this.gid = owner.gid;
    this.atimeNs = this.mtimeNs = this.ctimeNs = nowNs;
  }

  get isDirectory(): boolean {
    return (this.mode & fileTypeBits.mask) === fileTypeBits.directory;
  }

  get isFile(): boolean {
    return (this.mode & fileTypeBits.mask) === fileTypeBits.file;
  }

  attributes(): FuseAttributes {
    const { ino, atimeNs, mtimeNs, ctimeNs, mode, nlink, uid, gid, rdev } = this;
    const size = (mode & fileTypeBits.mask) === fileTypeBits.symlink ? Buffer.byteLength(this.target) : this.size;
    return { ino, size, atimeNs, mtimeNs, ctimeNs, mode, nlink, uid, gid, rdev };
  }

  *entriesAfter(cookie: number): Generator<{ cookie: number; name: string; child: MemoryNode }> {
    for (const [name, child] of this.children) {
      const own = this.children.cookie(name);
      if (own > cookie) yield { cookie: own, name, child };
    }
  }

  read(offset: number, target: Uint8Array): number {
    const end = Math.min(this.size, offset + target.length);
    if (end <= offset) return 0;
    target.set(this.#content.subarray(offset, end));
    return end - offset;
  }

  write(offset: number, data: Uint8Array): void {
    this.#reserve(offset + data.length);
    this.#content.set(data, offset);
    this.size = Math.max(this.size, offset + data.length);
  }

  resize(size: number): void {
    this.#reserve(size);
    if (size < this.size) this.#content.fill(0, size, this.size);
    this.size = size;
  }

  #reserve(size: number): void {
    if (size <= this.#content.length) return;
    const grown = Buffer.alloc(Math.max(size, this.#content.length * 2, 4096));
    this.#content.copy(grown);
    this.#content = grown;
  }
}
