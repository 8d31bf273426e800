import type { BlockLocation, PackRecord } from '../protocol/block-index.ts';
import type { BlockFrame } from '../protocol/block-service.ts';
import { DriveError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import type { BlockHash, PackId } from '../protocol/ids.ts';
import { freeBytes } from '../protocol/spent-memory.ts';
import { keyIdCharacters, wrappedKeyBytes, type MasterKeys, type WrappedKey } from './master-keys.ts';
import type { ObjectStream } from './object-store.ts';
import { PieceBuffer, type PiecePool } from './piece-buffer.ts';
import { encodingByte, encodingOfByte, openAt, sealAt, sealBlockParts, sealDomain, tagBytes } from './sealing.ts';

/**
 * A pack, format 1. All integers are little-endian.
 *
 *     header, 100 bytes
 *        0   8   magic "HFPACK" 00 01 (the last byte is the format)
 *        8  16   pack id
 *       24  16   id of the master key that wrapped the data key, 16 ASCII digits
 *       40  60   the data key, wrapped: nonce 12, ciphertext 32, tag 16
 *     blocks, one behind the other, each
 *            n   the frame's bytes, encrypted
 *           16   tag; nonce: u32 1, u64 offset of the block in the pack
 *                associated: pack id 16, offset u64, SHA-256 of the plaintext 32, its length u32, encoding u8
 *     directory, sealed: for each block 49 bytes, encrypted, then a tag of 16
 *            32   SHA-256 of the plaintext
 *             8   offset in the pack
 *             4   stored length, tag included
 *             4   length of the plaintext
 *             1   encoding: 0 raw, 1 zstd
 *                nonce: u32 2, u64 offset of the directory; associated: header and footer
 *     footer, 16 bytes
 *             8   offset of the directory
 *             8   magic "HFPEND" 00 01
 *
 * The block index says all that is needed to read a block (offset, lengths, encoding, wrapped key), with one ranged read and
 * without header or directory. These are there so that the index can be made again from the packs and the master keys alone.
 */
const magic = Buffer.from('HFPACK\0\x01', 'latin1');
const endMagic = Buffer.from('HFPEND\0\x01', 'latin1');
export const packHeaderBytes = magic.length + 16 + keyIdCharacters + wrappedKeyBytes;
export const packFooterBytes = 8 + endMagic.length;
export const directoryEntryBytes = 32 + 8 + 4 + 4 + 1;

/** The most blocks of one pack, so that a directory has a bound too; more begin another pack. */
export const packBlocksMax = 65_536;

/** No pack is longer: it is closed by the block that passes the target. */
const packBytesMax =
  limits.packBytesTarget + limits.blockBytesMax + tagBytes + packBlocksMax * directoryEntryBytes + 1024;

/** Where packs lie in an object store. The last digits of the id are random, so keys spread over partitions. */
export function packKey(pack: PackId): string {
  return `packs/${pack.slice(-2)}/${pack}`;
}

/** A finished pack: the object to put, and what the index is to record once that is durable. */
export interface FinishedPack {
  readonly record: PackRecord;
  readonly blocks: ReadonlyMap<BlockHash, BlockLocation>;
  readonly body: ObjectStream;
  /**
   * Lets the pack's memory be used again, once it is stored. Does nothing if the body was opened more than once: whoever gave up
   * an attempt may still be reading.
   */
  readonly recycle: () => void;
}

/** Collects sealed blocks into one pack, in memory. Used once. */
export class PackWriter {
  readonly pack: PackId;
  readonly #dataKey: Uint8Array;
  readonly #wrapped: WrappedKey;
  readonly #header: Buffer;
  readonly #written: PieceBuffer;
  readonly #blocks = new Map<BlockHash, BlockLocation>();

  /** `dataKey` must be 32 fresh random bytes that no other pack uses. */
  constructor(pack: PackId, dataKey: Uint8Array, masterKeys: MasterKeys, pool?: PiecePool) {
    this.pack = pack;
    this.#written = new PieceBuffer(pool);
    this.#dataKey = dataKey;
    this.#wrapped = masterKeys.wrap(pack, dataKey);
    this.#header = encodeHeader(pack, this.#wrapped);
    this.#written.append(this.#header);
  }

  get blockCount(): number {
    return this.#blocks.size;
  }

  get byteLength(): number {
    return this.#written.byteLength;
  }

  /** Whether it holds what a pack should hold: finish it and start another. */
  get full(): boolean {
    return this.#written.byteLength >= limits.packBytesTarget || this.#blocks.size >= packBlocksMax;
  }

  /** Seals a block, which must not be in the pack yet, behind the others. */
  add(frame: BlockFrame): void {
    const offset = this.#written.byteLength;
    for (const part of sealBlockParts(this.#dataKey, this.pack, offset, frame)) {
      this.#written.append(part);
      freeBytes(part);
    }
    const storedLength = this.#written.byteLength - offset;
    const { length, encoding } = frame;
    this.#blocks.set(frame.hash, { pack: this.pack, offset, storedLength, length, encoding });
  }

  finish(): FinishedPack {
    const offset = this.#written.byteLength;
    const footer = encodeFooter(offset);
    const associated = Buffer.concat([this.#header, footer]);
    const place = { domain: sealDomain.directory, offset };
    this.#written.append(sealAt(this.#dataKey, place, associated, encodeDirectory(this.#blocks)));
    this.#written.append(footer);
    const { byteLength } = this.#written;
    const pieces = this.#written.pieces();
    let opened = 0;
    const open = () => {
      opened += 1;
      return eachPiece(pieces);
    };
    const recycle = () => {
      if (opened <= 1) this.#written.recycle();
    };
    const record = { pack: this.pack, byteLength, ...this.#wrapped };
    return { record, blocks: this.#blocks, body: { byteLength, open }, recycle };
  }
}

async function* eachPiece(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

/** Reads `length` bytes at `offset` of a pack. */
export type PackRead = (offset: number, length: number) => Promise<Uint8Array>;

/**
 * What the index should say of a pack, from its bytes alone. Throws `corrupt` if header, directory or footer are not as
 * they were written, or are another pack's; `forbidden` if the master key is missing. Blocks are not read.
 */
export async function readPackDirectory(
  pack: PackId,
  byteLength: number,
  read: PackRead,
  masterKeys: MasterKeys,
): Promise<Pick<FinishedPack, 'record' | 'blocks'>> {
  if (byteLength < packHeaderBytes + tagBytes + packFooterBytes || byteLength > packBytesMax) {
    throw damaged(pack, `it has ${byteLength} bytes`);
  }
  const header = await read(0, packHeaderBytes);
  const wrapped = decodeHeader(pack, header);
  const footer = await read(byteLength - packFooterBytes, packFooterBytes);
  const offset = decodeFooter(pack, footer);
  const sealedLength = byteLength - packFooterBytes - offset;
  if (offset < packHeaderBytes || sealedLength < tagBytes) throw damaged(pack, 'its directory is elsewhere');
  const dataKey = masterKeys.unwrap(pack, wrapped);
  const sealed = await read(offset, sealedLength);
  const place = { domain: sealDomain.directory, offset };
  const directory = openAt(dataKey, place, Buffer.concat([header, footer]), sealed);
  if (directory === undefined) throw damaged(pack, 'the seal of its directory does not hold');
  return { record: { pack, byteLength, ...wrapped }, blocks: decodeDirectory(pack, directory) };
}

function damaged(pack: PackId, how: string): DriveError {
  return new DriveError('corrupt', `pack ${pack} is damaged: ${how}`);
}

function encodeHeader(pack: PackId, wrapped: WrappedKey): Buffer {
  const id = Buffer.from(pack, 'hex');
  return Buffer.concat([magic, id, Buffer.from(wrapped.keyId, 'latin1'), wrapped.wrappedKey]);
}

function decodeHeader(pack: PackId, bytes: Uint8Array): WrappedKey {
  const header = Buffer.from(bytes);
  if (!header.subarray(0, 8).equals(magic)) throw damaged(pack, 'its header is none of format 1');
  if (header.toString('hex', 8, 24) !== pack) throw damaged(pack, 'its header names another pack');
  const keyId = header.toString('latin1', 24, 40);
  if (!/^[0-9a-f]{16}$/.test(keyId)) throw damaged(pack, 'its header names no key');
  return { keyId, wrappedKey: header.subarray(40, packHeaderBytes) };
}

function encodeFooter(directoryOffset: number): Buffer {
  const footer = Buffer.alloc(packFooterBytes);
  footer.writeBigUInt64LE(BigInt(directoryOffset), 0);
  endMagic.copy(footer, 8);
  return footer;
}

/** The directory's offset. */
function decodeFooter(pack: PackId, bytes: Uint8Array): number {
  const footer = Buffer.from(bytes);
  if (!footer.subarray(8).equals(endMagic)) throw damaged(pack, 'its end is missing');
  return Number(footer.readBigUInt64LE(0));
}

function encodeDirectory(blocks: ReadonlyMap<BlockHash, BlockLocation>): Buffer {
  const directory = Buffer.alloc(blocks.size * directoryEntryBytes);
  let at = 0;
  for (const [hash, block] of blocks) {
    directory.write(hash, at, 32, 'hex');
    directory.writeBigUInt64LE(BigInt(block.offset), at + 32);
    directory.writeUInt32LE(block.storedLength, at + 40);
    directory.writeUInt32LE(block.length, at + 44);
    directory.writeUInt8(encodingByte(block.encoding), at + 48);
    at += directoryEntryBytes;
  }
  return directory;
}

function decodeDirectory(pack: PackId, directory: Buffer): Map<BlockHash, BlockLocation> {
  if (directory.length % directoryEntryBytes !== 0) throw damaged(pack, 'its directory has a part of an entry');
  const blocks = new Map<BlockHash, BlockLocation>();
  for (let at = 0; at < directory.length; at += directoryEntryBytes) {
    blocks.set(directory.toString('hex', at, at + 32) as BlockHash, {
      pack,
      offset: Number(directory.readBigUInt64LE(at + 32)),
      storedLength: directory.readUInt32LE(at + 40),
      length: directory.readUInt32LE(at + 44),
      encoding: encodingOfByte(directory.readUInt8(at + 48)),
    });
  }
  return blocks;
}
