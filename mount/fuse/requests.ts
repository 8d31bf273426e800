import { limits } from '../../protocol/limits.ts';
import { FuseError } from './errno.ts';
import type { FuseSetAttributes } from './fuse-filesystem.ts';
import { setattrBits } from './constants.ts';

/** sizeof(struct fuse_in_header). */
export const requestHeaderBytes = 40;

const two32 = 2 ** 32;
const nsPerSecond = 1_000_000_000n;
/** Times are kept as 64 bits of nanoseconds: the years 1677 to 2262. */
const timeNsMax = 2n ** 63n - 1n;

/**
 * One request in its buffer, read at the offsets of include/uapi/linux/fuse.h. Numbers are in the machine's byte order,
 * which is little-endian on every machine Holdfast supports (x86-64, arm64). Offsets of the accessors count from the
 * end of the header.
 */
export class Request {
  readonly buffer: Buffer;
  readonly #view: DataView;
  /** Bytes of the whole request. */
  length = 0;

  constructor(bytesMax: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytesMax);
    this.#view = new DataView(this.buffer.buffer, this.buffer.byteOffset, bytesMax);
  }

  get headerLength(): number {
    return this.#view.getUint32(0, true);
  }

  get opcode(): number {
    return this.#view.getUint32(4, true);
  }

  /** Counts up from 0 by 2, so it stays exact. */
  get unique(): number {
    return this.#view.getUint32(8, true) + this.#view.getUint32(12, true) * two32;
  }

  get nodeId(): number {
    return this.#view.getUint32(16, true) + this.#view.getUint32(20, true) * two32;
  }

  get uid(): number {
    return this.#view.getUint32(24, true);
  }

  get gid(): number {
    return this.#view.getUint32(28, true);
  }

  get pid(): number {
    return this.#view.getUint32(32, true);
  }

  get bodyLength(): number {
    return this.length - requestHeaderBytes;
  }

  u32(offset: number): number {
    return this.#view.getUint32(requestHeaderBytes + offset, true);
  }

  /** A number the filesystem gave out itself (fh, node id), or one that may be inexact beyond 2^53. */
  u64(offset: number): number {
    const at = requestHeaderBytes + offset;
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * two32;
  }

  /** A position or size in a file; throws EFBIG beyond 2^53 - 1. */
  position(offset: number): number {
    const value = this.u64(offset);
    if (value > Number.MAX_SAFE_INTEGER) throw new FuseError('EFBIG');
    return value;
  }

  /** A time as signed seconds and nanoseconds; one beyond what can be kept becomes the nearest that can (utimensat(2)). */
  timeNs(secondsOffset: number, nanosecondsOffset: number): bigint {
    const seconds = this.#view.getBigInt64(requestHeaderBytes + secondsOffset, true);
    const timeNs = seconds * nsPerSecond + BigInt(this.u32(nanosecondsOffset));
    if (timeNs > timeNsMax) return timeNsMax;
    return timeNs < -timeNsMax ? -timeNsMax : timeNs;
  }

  /** A view of the body from `offset`, `length` bytes; throws EINVAL if the request does not hold as many. */
  bytes(offset: number, length: number): Buffer {
    const start = requestHeaderBytes + offset;
    if (start + length > this.length) throw new FuseError('EINVAL');
    return this.buffer.subarray(start, start + length);
  }

  /** The NUL-terminated name at `offset`; throws ENAMETOOLONG beyond 255 bytes, EILSEQ unless it is valid UTF-8. */
  name(offset: number): string {
    const end = this.nameEnd(offset);
    if (end - offset > limits.nameBytesMax) throw new FuseError('ENAMETOOLONG');
    return this.#text(requestHeaderBytes + offset, requestHeaderBytes + end);
  }

  /** As `name`, of any length: the target of a symlink. */
  text(offset: number): string {
    return this.#text(requestHeaderBytes + offset, requestHeaderBytes + this.nameEnd(offset));
  }

  /** Where the name at `offset` ends: the offset of its NUL. */
  nameEnd(offset: number): number {
    const end = this.buffer.indexOf(0, requestHeaderBytes + offset);
    if (end < 0 || end >= this.length) throw new FuseError('EINVAL');
    return end - requestHeaderBytes;
  }

  #text(start: number, end: number): string {
    const text = this.buffer.toString('utf8', start, end);
    // What is not UTF-8 decodes to U+FFFD, which may also stand there in its own right: only then compare the bytes.
    if (text.includes('\ufffd') && Buffer.compare(Buffer.from(text), this.buffer.subarray(start, end)) !== 0) {
      throw new FuseError('EILSEQ');
    }
    return text;
  }
}

/** The bits that come with a value. */
const setattrValues =
  setattrBits.mode |
  setattrBits.uid |
  setattrBits.gid |
  setattrBits.size |
  setattrBits.atime |
  setattrBits.mtime |
  setattrBits.atimeNow |
  setattrBits.mtimeNow |
  setattrBits.ctime;

/** struct fuse_setattr_in: what is to be set. */
export function readSetAttributes(request: Request): FuseSetAttributes {
  const valid = request.u32(0);
  const has = (bit: number): boolean => (valid & bit) !== 0;
  const set: { -readonly [Key in keyof FuseSetAttributes]: FuseSetAttributes[Key] } = {
    // A change of owner takes the privileges away too; the kernel leaves that to the filesystem (HANDLE_KILLPRIV_V2).
    // A request without anything to set comes from chown(2) that names neither owner, and before fallocate(2) by somebody
    // without CAP_FSETID; but from root also before a write that costs a file its capabilities and nothing else.
    killPrivileges:
      has(setattrBits.killPrivileges | setattrBits.uid | setattrBits.gid) || (!has(setattrValues) && request.uid !== 0),
  };
  if (has(setattrBits.fh)) set.fh = request.u64(8);
  if (has(setattrBits.size)) set.size = request.position(16);
  if (has(setattrBits.atimeNow)) set.atimeNs = 'now';
  else if (has(setattrBits.atime)) set.atimeNs = request.timeNs(32, 56);
  if (has(setattrBits.mtimeNow)) set.mtimeNs = 'now';
  else if (has(setattrBits.mtime)) set.mtimeNs = request.timeNs(40, 60);
  if (has(setattrBits.ctime)) set.ctimeNs = request.timeNs(48, 64);
  if (has(setattrBits.mode)) set.mode = request.u32(68) & 0o7777;
  if (has(setattrBits.uid)) set.uid = request.u32(76);
  if (has(setattrBits.gid)) set.gid = request.u32(80);
  return set;
}

/** struct fuse_init_in: what the kernel can do. */
export interface InitRequest {
  readonly major: number;
  readonly minor: number;
  readonly readAheadBytesMax: number;
  /** Bits 0 to 31 and 32 to 63. */
  readonly flags: number;
  readonly flags2: number;
}

export function readInit(request: Request): InitRequest {
  return {
    major: request.u32(0),
    minor: request.u32(4),
    readAheadBytesMax: request.u32(8),
    flags: request.u32(12),
    // Kernels before 7.36 send a shorter structure.
    flags2: request.bodyLength >= 20 ? request.u32(16) : 0,
  };
}
