import type { BlockFrame } from '../block-service.ts';
import { asDriveError, DriveError } from '../errors.ts';
import type { DriveErrorCode } from '../errors.ts';
import type { BlockHash } from '../ids.ts';
import { limits } from '../limits.ts';
import { fromWireError, toWireError, wireError } from './wire-error.ts';
import { decodeJson, encodeJson } from './wire-json.ts';

/*
 * The stream of blocks, both ways. Numbers are little-endian.
 *
 *   block  u8 tag (1 raw, 2 zstd) · 32 bytes hash · u32 length of the plaintext · u32 stored length · the stored bytes
 *   error  u8 tag (0xfe) · u32 length · that many bytes of JSON (a wire error)
 *   end    u8 tag (0xff) · u32 number of blocks
 *
 * A stream ends with one `end` or `error` and nothing follows it, so a cut stream is never taken for a whole one.
 */
const tags = { raw: 1, zstd: 2, error: 0xfe, end: 0xff } as const;

const hashBytes = 32;
const blockHeaderBytes = 1 + hashBytes + 4 + 4;
const trailerHeaderBytes = 1 + 4;
const errorBytesMax = 64 * 1024;

/** One put request holds at most this many blocks; a sender with more sends several. */
export const framesPerRequestMax = limits.haveHashesMax;

/** Below this, header and bytes are copied into one piece: one system call less is worth more than the copy. */
const joinBytesMax = 16 * 1024;

/** How many bytes a block takes in the stream. */
export function frameBytes(frame: BlockFrame): number {
  return blockHeaderBytes + frame.bytes.length;
}

/** What the end of a stream takes. */
export const endFrameBytes = trailerHeaderBytes;

/** Writes `frames` as a stream, pulling the next only when the last was taken. A failure of `frames` is thrown on. */
export async function* encodeBlockFrames(
  frames: AsyncIterable<BlockFrame> | Iterable<BlockFrame>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let count = 0;
  for await (const frame of frames) {
    const header = blockHeader(frame);
    if (frame.bytes.length <= joinBytesMax) yield Buffer.concat([header, frame.bytes]);
    else {
      yield header;
      yield frame.bytes;
    }
    count += 1;
  }
  yield trailer(tags.end, count);
}

/** As `encodeBlockFrames`, for an answer that has begun: a failure becomes the last frame, and `onError` learns of it. */
export async function* encodeBlockFramesOrError(
  frames: AsyncIterable<BlockFrame>,
  onError: (error: DriveError) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* encodeBlockFrames(frames);
  } catch (error) {
    const driveError = asDriveError(error);
    onError(driveError);
    const json = Buffer.from(encodeJson(wireError, toWireError(driveError)));
    yield Buffer.concat([trailer(tags.error, json.length), json]);
  }
}

function blockHeader(frame: BlockFrame): Uint8Array {
  const header = Buffer.alloc(blockHeaderBytes);
  header[0] = tags[frame.encoding];
  header.write(frame.hash, 1, 'hex');
  header.writeUInt32LE(frame.length, 1 + hashBytes);
  header.writeUInt32LE(frame.bytes.length, 1 + hashBytes + 4);
  return header;
}

function trailer(tag: number, value: number): Uint8Array {
  const out = Buffer.alloc(trailerHeaderBytes);
  out[0] = tag;
  out.writeUInt32LE(value, 1);
  return out;
}

export interface DecodeFramesOptions {
  /** The whole stream, headers included; beyond it is `tooLarge`. */
  readonly bytesMax: number;
  readonly framesMax: number;
  /** What a stream that stops early means: `invalidArgument` in a request, `unavailable` in an answer. */
  readonly truncatedCode: DriveErrorCode;
}

/**
 * Reads a stream in whatever pieces it arrives, and holds one block at a time. Throws the sender's error; the
 * `truncatedCode`; `tooLarge` beyond a limit; `invalidArgument` for anything that is no such stream, naming the offset.
 * Hashes are not verified here: whoever decompresses does that.
 */
export async function* decodeBlockFrames(
  source: AsyncIterable<Uint8Array>,
  options: DecodeFramesOptions,
): AsyncGenerator<BlockFrame, void, undefined> {
  const reader = new ExactReader(source, options);
  try {
    yield* readFrames(reader, options.framesMax);
  } finally {
    await reader.close();
  }
}

async function* readFrames(reader: ExactReader, framesMax: number): AsyncGenerator<BlockFrame, void, undefined> {
  let count = 0;
  for (;;) {
    const tag = (await reader.read(1))[0];
    if (tag === tags.raw || tag === tags.zstd) {
      if (count === framesMax) throw new DriveError('tooLarge', `a stream holds at most ${framesMax} blocks`);
      yield await readBlock(reader, tag === tags.raw ? 'raw' : 'zstd');
      count += 1;
    } else if (tag === tags.end) {
      const announced = (await reader.read(4)).readUInt32LE(0);
      if (announced !== count) throw reader.malformed(`${count} blocks came but ${announced} were announced`);
      return await reader.expectEnd();
    } else if (tag === tags.error) {
      throw await readError(reader);
    } else {
      throw reader.malformed(`unknown tag ${tag}`);
    }
  }
}

async function readBlock(reader: ExactReader, encoding: BlockFrame['encoding']): Promise<BlockFrame> {
  const header = await reader.read(blockHeaderBytes - 1);
  const hash = header.toString('hex', 0, hashBytes) as BlockHash;
  const length = header.readUInt32LE(hashBytes);
  const storedLength = header.readUInt32LE(hashBytes + 4);
  if (length > limits.blockBytesMax) {
    throw new DriveError('tooLarge', `block ${hash} has ${length} bytes; at most ${limits.blockBytesMax} are allowed`);
  }
  const fits = encoding === 'raw' ? storedLength === length : storedLength >= 1 && storedLength < length;
  if (length === 0 || !fits) {
    throw reader.malformed(`block ${hash} of ${length} bytes cannot be held in ${storedLength} bytes of ${encoding}`);
  }
  return { hash, length, encoding, bytes: await reader.read(storedLength) };
}

async function readError(reader: ExactReader): Promise<DriveError> {
  const length = (await reader.read(4)).readUInt32LE(0);
  if (length > errorBytesMax) return reader.malformed(`an error of ${length} bytes`);
  return fromWireError(decodeJson(wireError, await reader.read(length)));
}

/** Cuts a source of arbitrary pieces into exactly the lengths that are asked for. */
class ExactReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #options: DecodeFramesOptions;
  #piece: Uint8Array = new Uint8Array();
  #offset = 0;

  constructor(source: AsyncIterable<Uint8Array>, options: DecodeFramesOptions) {
    this.#pieces = source[Symbol.asyncIterator]();
    this.#options = options;
  }

  /** Memory of its own, so that a block does not keep the piece it came in. */
  async read(length: number): Promise<Buffer> {
    const out = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      if (this.#piece.length === 0 && !(await this.#next())) throw this.#truncated();
      const part = this.#piece.subarray(0, length - filled);
      out.set(part, filled);
      filled += part.length;
      this.#offset += part.length;
      this.#piece = this.#piece.subarray(part.length);
    }
    if (this.#offset > this.#options.bytesMax) {
      throw new DriveError('tooLarge', `a stream of blocks has at most ${this.#options.bytesMax} bytes`);
    }
    return out;
  }

  async expectEnd(): Promise<void> {
    if (this.#piece.length > 0 || (await this.#next())) throw this.malformed('bytes after the end');
  }

  /** Lets go of the source, whether or not it has ended. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  malformed(what: string): DriveError {
    return new DriveError('invalidArgument', `malformed stream of blocks near byte ${this.#offset}: ${what}`);
  }

  #truncated(): DriveError {
    return new DriveError(this.#options.truncatedCode, `the stream of blocks was cut off after ${this.#offset} bytes`);
  }

  /** Takes the next piece that holds anything; `false` at the end. */
  async #next(): Promise<boolean> {
    for (;;) {
      const result = await this.#pieces.next();
      if (result.done === true) return false;
      this.#piece = result.value;
      if (this.#piece.length > 0) return true;
    }
  }
}
