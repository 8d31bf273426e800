import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { BlockFrame } from '../protocol/block-service.ts';
import { DriveError } from '../protocol/errors.ts';
import type { BlockHash } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { freeBytes } from '../protocol/spent-memory.ts';
import { hashBlock } from './hash.ts';

const compressionLevel = 1;

/** Less than this share saved is not worth the decompression at each read. */
const savedShareMin = 1 / 16;

/** A block is at most 1 MiB, so no frame needs a longer window; a hostile one must not make us allocate it. */
const windowLogMax = 20;

const compressOptions = {
  params: {
    [constants.ZSTD_c_compressionLevel]: compressionLevel,
    [constants.ZSTD_c_windowLog]: windowLogMax,
    [constants.ZSTD_c_checksumFlag]: 0,
  },
};

/**
 * Room for the output of zstd in one piece. By default it comes in many of 16 KiB that are joined then, which doubles the garbage; and
 * one byte more than the block may have spares another piece to find that it is at its end.
 */
function outputBytes(blockLength: number): number {
  return Math.max(constants.Z_MIN_CHUNK, blockLength + 1);
}

/** As `outputBytes`, for what cannot be compressed and gets longer by that: ZSTD_COMPRESSBOUND in zstd.h. */
function compressedOutputBytes(blockLength: number): number {
  return outputBytes(blockLength + (blockLength >> 8) + 64);
}

/** Frees what zstd returned along with the room for more that it had asked for; a small one is part of a buffer that others use. */
function freeOutput({ buffer }: Uint8Array): void {
  if (buffer.byteLength > Buffer.poolSize) freeBytes(new Uint8Array(buffer));
}

/** Throws `invalidArgument` or `tooLarge` unless a block can have that many bytes of plaintext. */
export function checkBlockLength(length: number): void {
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new DriveError('invalidArgument', `a block cannot have length ${length}`);
  }
  if (length > limits.blockBytesMax) {
    throw new DriveError('tooLarge', `a block has at most ${limits.blockBytesMax} bytes, not ${length}`);
  }
}

/**
 * Frames a block whose hash is known: compressed with zstd where that saves at least a sixteenth, else as it is. A raw
 * frame shares `plaintext`'s memory.
 */
export function encodeBlock(hash: BlockHash, plaintext: Uint8Array): BlockFrame {
  checkBlockLength(plaintext.length);
  const { length } = plaintext;
  const compressed = zstdCompressSync(plaintext, { ...compressOptions, chunkSize: compressedOutputBytes(length) });
  const saves = compressed.length <= length * (1 - savedShareMin);
  // A copy, which keeps only what it needs.
  const bytes = saves ? Buffer.from(compressed) : plaintext;
  freeOutput(compressed);
  return { hash, length, encoding: saves ? 'zstd' : 'raw', bytes };
}

/** A block whose hash was computed here, so that nobody need verify it again. Its plaintext must not be changed any more. */
export class HashedBlock {
  readonly hash: BlockHash;
  readonly plaintext: Uint8Array;

  constructor(plaintext: Uint8Array) {
    this.hash = hashBlock(plaintext);
    this.plaintext = plaintext;
  }

  /** As `encodeBlock`; `verifyBlock` knows the frame. */
  encode(): BlockFrame {
    const frame = encodeBlock(this.hash, this.plaintext);
    framesOfOurs.add(frame);
    return frame;
  }
}

const framesOfOurs = new WeakSet<BlockFrame>();

/** Throws as `decodeBlock` unless the frame is what it says; one that a `HashedBlock` made here is not looked at again. */
export function verifyBlock(frame: BlockFrame): void {
  if (framesOfOurs.has(frame)) return;
  const plaintext = decodeBlock(frame);
  if (frame.encoding === 'zstd') freeOutput(plaintext);
}

/**
 * The plaintext of a frame from anybody, verified: what is returned has the frame's length and hash. Throws
 * `invalidArgument` or `tooLarge` for a frame that no encoder makes and `corrupt` for bytes that are not what the frame says.
 * Never takes more memory than a block may have. A raw frame's plaintext shares its memory.
 */
export function decodeBlock(frame: BlockFrame): Uint8Array {
  checkBlockFrame(frame);
  const plaintext = frame.encoding === 'zstd' ? decompress(frame) : frame.bytes;
  if (hashBlock(plaintext) !== frame.hash) {
    throw new DriveError('corrupt', `block ${frame.hash} does not match its hash`);
  }
  return plaintext;
}

/** Frees a frame and what `decodeBlock` made of it, whose owner says that nobody looks at them any more. */
export function freeDecoded(frame: BlockFrame, plaintext: Uint8Array): void {
  if (frame.encoding === 'zstd') freeOutput(plaintext);
  freeBytes(frame.bytes);
}

/** Throws `invalidArgument` or `tooLarge` unless the frame's lengths go together. */
function checkBlockFrame(frame: BlockFrame): void {
  checkBlockLength(frame.length);
  const held = frame.bytes.length;
  if (frame.encoding === 'raw' ? held !== frame.length : held >= frame.length) {
    throw new DriveError(
      'invalidArgument',
      `block ${frame.hash} of ${frame.length} bytes cannot be held in ${held} bytes of encoding ${frame.encoding}`,
    );
  }
}

function decompress(frame: BlockFrame): Uint8Array {
  let plaintext: Uint8Array;
  try {
    plaintext = zstdDecompressSync(frame.bytes, {
      maxOutputLength: frame.length,
      chunkSize: outputBytes(frame.length),
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
    });
  } catch (error) {
    throw new DriveError('corrupt', `block ${frame.hash} cannot be decompressed to ${frame.length} bytes`, {
      cause: error,
    });
  }
  if (plaintext.length !== frame.length) {
    throw new DriveError('corrupt', `block ${frame.hash} has ${plaintext.length} bytes, not ${frame.length}`);
  }
  return plaintext;
}
