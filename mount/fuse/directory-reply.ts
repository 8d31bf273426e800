import { fileTypeBits } from './constants.ts';
import type { DirectoryPlusSink, FuseAttributes, FuseTimeouts } from './fuse-filesystem.ts';
import { emptyEntry, replyBytes, replyHeaderBytes, writeEntryAt } from './replies.ts';
import type { Reply } from './replies.ts';

/** Bytes of struct fuse_dirent before the name. */
const direntNameOffset = 24;
const align8 = (bytes: number): number => (bytes + 7) & ~7;

/**
 * The reply to READDIR or READDIRPLUS, filled entry by entry up to the size the kernel asked for. The two differ in
 * what stands before each struct fuse_dirent: nothing, or a struct fuse_entry_out.
 */
export class DirectoryReply implements DirectoryPlusSink {
  readonly #reply: Reply;
  readonly #entryBytes: number;
  readonly #timeouts: FuseTimeouts;
  readonly #bytesMax: number;
  #used = 0;

  constructor(reply: Reply, kind: 'names' | 'plus', bytesMax: number, timeouts: FuseTimeouts) {
    this.#reply = reply;
    this.#entryBytes = kind === 'plus' ? replyBytes.entry : 0;
    this.#timeouts = timeouts;
    this.#bytesMax = Math.min(bytesMax, reply.bodyBytesMax);
  }

  addName(name: string, ino: number, mode: number, nextOffset: number): boolean {
    const nameBytes = Buffer.byteLength(name);
    if (!this.#fits(nameBytes)) return false;
    // Node id 0: the name alone, no lookup.
    if (this.#entryBytes > 0) this.#reply.bytes(this.#used, emptyEntry);
    this.#addDirent(name, nameBytes, ino, mode, nextOffset);
    return true;
  }

  addEntry(name: string, attributes: FuseAttributes, nextOffset: number): boolean {
    if (this.#entryBytes === 0) return this.addName(name, attributes.ino, attributes.mode, nextOffset);
    const nameBytes = Buffer.byteLength(name);
    if (!this.#fits(nameBytes)) return false;
    writeEntryAt(this.#reply, this.#used, attributes, this.#timeouts);
    this.#addDirent(name, nameBytes, attributes.ino, attributes.mode, nextOffset);
    return true;
  }

  #fits(nameBytes: number): boolean {
    return this.#used + this.#entryBytes + align8(direntNameOffset + nameBytes) <= this.#bytesMax;
  }

  #addDirent(name: string, nameBytes: number, ino: number, mode: number, nextOffset: number): void {
    const at = this.#used + this.#entryBytes;
    const end = align8(at + direntNameOffset + nameBytes);
    this.#reply.u64(at, ino);
    this.#reply.u64(at + 8, nextOffset);
    this.#reply.u32(at + 16, nameBytes);
    this.#reply.u32(at + 20, (mode & fileTypeBits.mask) >>> 12);
    this.#reply.text(at + direntNameOffset, name);
    this.#reply.buffer.fill(0, replyHeaderBytes + at + direntNameOffset + nameBytes, replyHeaderBytes + end);
    this.#used = end;
    this.#reply.setBodyLength(end);
  }
}

/** The inodes whose lookup count a READDIRPLUS reply has raised, for when it never reached the kernel. */
export function enteredInos(reply: Reply): number[] {
  const inos: number[] = [];
  let at = replyHeaderBytes;
  while (at < reply.length) {
    const ino = reply.view.getUint32(at, true) + reply.view.getUint32(at + 4, true) * 2 ** 32;
    if (ino !== 0) inos.push(ino);
    const nameBytes = reply.view.getUint32(at + replyBytes.entry + 16, true);
    at += replyBytes.entry + align8(direntNameOffset + nameBytes);
  }
  return inos;
}
