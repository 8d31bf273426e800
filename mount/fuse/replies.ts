import { FuseError } from './errno.ts';
import type { FuseAttributes, FuseCreated, FuseOpened, FuseStatfs, FuseTimeouts } from './fuse-filesystem.ts';

/** sizeof(struct fuse_out_header). */
export const replyHeaderBytes = 16;

/** sizeof of the structures of replies. */
export const replyBytes = {
  attributes: 88,
  attributesReply: 104,
  entry: 128,
  opened: 16,
  statfs: 80,
  init: 64,
} as const;

const two32 = 2 ** 32;
const nsPerSecond = 1_000_000_000n;

/** What an unlimited timeout is told to the kernel as: 68 years, the largest that no kernel takes for negative. */
const unlimitedSeconds = 0x7fffffff;

/**
 * What `stat` shows as st_blksize. Programs size their buffers by it, and each write(2) is at least one request, so a
 * larger one than the page saves most requests of a program that writes through stdio.
 */
export const preferredIoBytes = 128 * 1024;

/** One reply in its buffer. Offsets of the writers count from the end of the header. */
export class Reply {
  readonly buffer: Buffer;
  readonly view: DataView;
  /** Bytes of the whole reply so far. */
  length = replyHeaderBytes;
  /** The inode whose lookup count this reply raises; 0 for none. If the reply fails, the lookup is taken back. */
  enteredIno = 0;
  /** For requests that name the most they will take. */
  limitBytes = 0;

  constructor(bytesMax: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytesMax);
    this.view = new DataView(this.buffer.buffer, this.buffer.byteOffset, bytesMax);
  }

  /** Starts the answer to request `unique`. */
  begin(unique: number): void {
    this.length = replyHeaderBytes;
    this.enteredIno = 0;
    this.limitBytes = 0;
    this.view.setUint32(8, unique >>> 0, true);
    this.view.setUint32(12, Math.floor(unique / two32), true);
  }

  /** Closes the header: with `errno` 0 the body counts, otherwise it is dropped. */
  finish(errno: number): void {
    if (errno !== 0) this.length = replyHeaderBytes;
    this.view.setUint32(0, this.length, true);
    this.view.setInt32(4, -errno, true);
  }

  /** The largest body there is room for. */
  get bodyBytesMax(): number {
    return this.buffer.length - replyHeaderBytes;
  }

  /** Where the body of a read is to be put: `length` bytes of the reply itself. */
  bodyTarget(length: number): Buffer {
    if (length > this.bodyBytesMax) throw new FuseError('EINVAL');
    return this.buffer.subarray(replyHeaderBytes, replyHeaderBytes + length);
  }

  setBodyLength(bytes: number): void {
    this.length = replyHeaderBytes + bytes;
  }

  u32(offset: number, value: number): void {
    this.view.setUint32(replyHeaderBytes + offset, value, true);
  }

  u64(offset: number, value: number): void {
    const at = replyHeaderBytes + offset;
    this.view.setUint32(at, value >>> 0, true);
    this.view.setUint32(at + 4, Math.floor(value / two32), true);
  }

  bytes(offset: number, value: Uint8Array): void {
    this.buffer.set(value, replyHeaderBytes + offset);
  }

  /** Writes UTF-8 and returns how many bytes it took. */
  text(offset: number, value: string): number {
    return this.buffer.write(value, replyHeaderBytes + offset, 'utf8');
  }
}

function writeTimeout(reply: Reply, secondsOffset: number, nanosecondsOffset: number, timeoutMs: number): void {
  const limitMs = unlimitedSeconds * 1000;
  const ms = Math.min(Math.max(timeoutMs, 0), limitMs);
  reply.u64(secondsOffset, Math.floor(ms / 1000));
  reply.u32(nanosecondsOffset, Math.floor((ms % 1000) * 1_000_000));
}

/** A time as signed seconds and nanoseconds from 0 to 999,999,999. */
function writeTime(reply: Reply, secondsOffset: number, nanosecondsOffset: number, timeNs: bigint): void {
  let seconds = timeNs / nsPerSecond;
  let nanoseconds = Number(timeNs - seconds * nsPerSecond);
  if (nanoseconds < 0) {
    nanoseconds += 1_000_000_000;
    seconds -= 1n;
  }
  reply.view.setBigInt64(replyHeaderBytes + secondsOffset, seconds, true);
  reply.u32(nanosecondsOffset, nanoseconds);
}

/** struct fuse_attr, 88 bytes. */
export function writeAttributes(reply: Reply, at: number, attributes: FuseAttributes): void {
  reply.u64(at, attributes.ino);
  reply.u64(at + 8, attributes.size);
  reply.u64(at + 16, attributes.blocks ?? Math.ceil(attributes.size / 512));
  writeTime(reply, at + 24, at + 48, attributes.atimeNs);
  writeTime(reply, at + 32, at + 52, attributes.mtimeNs);
  writeTime(reply, at + 40, at + 56, attributes.ctimeNs);
  reply.u32(at + 60, attributes.mode);
  reply.u32(at + 64, attributes.nlink);
  reply.u32(at + 68, attributes.uid);
  reply.u32(at + 72, attributes.gid);
  reply.u32(at + 76, attributes.rdev);
  reply.u32(at + 80, preferredIoBytes);
  reply.u32(at + 84, 0);
}

/** struct fuse_entry_out, 128 bytes. */
export function writeEntryAt(reply: Reply, at: number, attributes: FuseAttributes, timeouts: FuseTimeouts): void {
  reply.u64(at, attributes.ino);
  // Node ids are never used again, so one generation is enough.
  reply.u64(at + 8, 0);
  writeTimeout(reply, at + 16, at + 32, attributes.entryTimeoutMs ?? timeouts.entryMs);
  writeTimeout(reply, at + 24, at + 36, attributes.attributesTimeoutMs ?? timeouts.attributesMs);
  writeAttributes(reply, at + 40, attributes);
}

/** The whole answer to what gives an inode a name. */
export function writeEntry(reply: Reply, attributes: FuseAttributes, timeouts: FuseTimeouts): void {
  writeEntryAt(reply, 0, attributes, timeouts);
  reply.enteredIno = attributes.ino;
  reply.setBodyLength(replyBytes.entry);
}

/** "No such name", which the kernel may remember: node id 0 with a timeout. */
export function writeNegativeEntry(reply: Reply, timeouts: FuseTimeouts): void {
  reply.bytes(0, emptyEntry);
  writeTimeout(reply, 16, 32, timeouts.negativeEntryMs);
  reply.setBodyLength(replyBytes.entry);
}

export const emptyEntry = new Uint8Array(replyBytes.entry);

/** struct fuse_attr_out. */
export function writeAttributesReply(reply: Reply, attributes: FuseAttributes, timeouts: FuseTimeouts): void {
  writeTimeout(reply, 0, 8, attributes.attributesTimeoutMs ?? timeouts.attributesMs);
  reply.u32(12, 0);
  writeAttributes(reply, 16, attributes);
  reply.setBodyLength(replyBytes.attributesReply);
}

function writeOpenedAt(reply: Reply, at: number, opened: FuseOpened): void {
  reply.u64(at, opened.fh);
  reply.u32(at + 8, opened.openFlags);
  reply.u32(at + 12, opened.backingId ?? 0);
}

/** struct fuse_open_out. */
export function writeOpened(reply: Reply, opened: FuseOpened): void {
  writeOpenedAt(reply, 0, opened);
  reply.setBodyLength(replyBytes.opened);
}

/** struct fuse_entry_out followed by struct fuse_open_out. */
export function writeCreated(reply: Reply, created: FuseCreated, timeouts: FuseTimeouts): void {
  writeEntry(reply, created.attributes, timeouts);
  writeOpenedAt(reply, replyBytes.entry, created.opened);
  reply.setBodyLength(replyBytes.entry + replyBytes.opened);
}

/** struct fuse_statfs_out. */
export function writeStatfs(reply: Reply, statfs: FuseStatfs): void {
  reply.u64(0, statfs.blocks);
  reply.u64(8, statfs.blocksFree);
  reply.u64(16, statfs.blocksAvailable);
  reply.u64(24, statfs.files);
  reply.u64(32, statfs.filesFree);
  reply.u32(40, statfs.blockBytes);
  reply.u32(44, statfs.nameBytesMax);
  reply.u32(48, statfs.blockBytes);
  for (let at = 52; at < replyBytes.statfs; at += 4) reply.u32(at, 0);
  reply.setBodyLength(replyBytes.statfs);
}

/** struct fuse_init_out. */
export interface InitReply {
  readonly major: number;
  readonly minor: number;
  readonly readAheadBytesMax: number;
  readonly flags: number;
  readonly flags2: number;
  /** How many requests the kernel sends by itself (readahead) before it waits, and when it calls that congested. */
  readonly backgroundMax: number;
  readonly congestionThreshold: number;
  readonly writeBytesMax: number;
  readonly pagesMax: number;
  /** 1 with passthrough to a backing filesystem that is not stacked itself; 0 without. */
  readonly stackDepthMax: number;
}

export function writeInit(reply: Reply, init: InitReply): void {
  for (let at = 0; at < replyBytes.init; at += 4) reply.u32(at, 0);
  reply.u32(0, init.major);
  reply.u32(4, init.minor);
  reply.u32(8, init.readAheadBytesMax);
  reply.u32(12, init.flags);
  reply.view.setUint16(replyHeaderBytes + 16, init.backgroundMax, true);
  reply.view.setUint16(replyHeaderBytes + 18, init.congestionThreshold, true);
  reply.u32(20, init.writeBytesMax);
  // Times are kept to the nanosecond.
  reply.u32(24, 1);
  reply.view.setUint16(replyHeaderBytes + 28, init.pagesMax, true);
  reply.u32(32, init.flags2);
  reply.u32(36, init.stackDepthMax);
  reply.setBodyLength(replyBytes.init);
}
