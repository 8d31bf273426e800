import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { BlockLocation } from '../protocol/block-index.ts';
import type { BlockEncoding, BlockFrame } from '../protocol/block-service.ts';
import { DriveError } from '../protocol/errors.ts';
import type { BlockHash, PackId } from '../protocol/ids.ts';

/** AES-256-GCM (NIST SP 800-38D) everywhere: 32-byte keys, 12-byte nonces, 16-byte tags behind the ciphertext. */
const algorithm = 'aes-256-gcm';
export const dataKeyBytes = 32;
export const nonceBytes = 12;
export const tagBytes = 16;

/** What a seal under a pack's data key is for. The nonce starts with it, so a block never shares one with a directory. */
export const sealDomain = { block: 1, directory: 2 } as const;

export type SealDomain = (typeof sealDomain)[keyof typeof sealDomain];

/**
 * The nonce of what stands at `offset` of a pack. A pack has its own data key, is written once, front to back, and each offset of it
 * is sealed once: so under one key no nonce comes twice.
 */
function nonceAt(domain: SealDomain, offset: number): Buffer {
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeUInt32LE(domain, 0);
  nonce.writeBigUInt64LE(BigInt(offset), 4);
  return nonce;
}

/** Ciphertext and tag of `plaintext`, `tagBytes` longer than it. `associated` is authenticated along with it. */
export function sealAt(
  dataKey: Uint8Array,
  place: { readonly domain: SealDomain; readonly offset: number },
  associated: Uint8Array,
  plaintext: Uint8Array,
): Buffer {
  return encrypt(dataKey, nonceAt(place.domain, place.offset), associated, plaintext);
}

/** Undoes `sealAt`; `undefined` if anything is not as it was sealed. */
export function openAt(
  dataKey: Uint8Array,
  place: { readonly domain: SealDomain; readonly offset: number },
  associated: Uint8Array,
  sealed: Uint8Array,
): Buffer | undefined {
  return decrypt(dataKey, nonceAt(place.domain, place.offset), associated, sealed);
}

/** Encrypts and authenticates; the tag is behind the ciphertext. The caller sees to it that key and nonce meet once. */
export function encrypt(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Buffer {
  return Buffer.concat(encryptParts(key, nonce, associated, plaintext));
}

/** As `encrypt`, with ciphertext and tag apart, which saves a copy. */
function encryptParts(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  plaintext: Uint8Array,
): readonly [Buffer, Buffer] {
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(associated);
  const ciphertext = cipher.update(plaintext);
  cipher.final(); // empty: GCM has no padding
  return [ciphertext, cipher.getAuthTag()];
}

/** Undoes `encrypt`; `undefined` if the key, the nonce, the associated data or any bit of `sealed` is another. */
export function decrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  sealed: Uint8Array,
): Buffer | undefined {
  if (sealed.length < tagBytes) return undefined;
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(associated);
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const plaintext = decipher.update(sealed.subarray(0, sealed.length - tagBytes));
  try {
    decipher.final();
  } catch {
    return undefined; // the only way GCM fails: the tag does not match
  }
  return plaintext;
}

const encodingBytes: Readonly<Record<BlockEncoding, number>> = { raw: 0, zstd: 1 };

export function encodingByte(encoding: BlockEncoding): number {
  return encodingBytes[encoding];
}

/** Throws `corrupt` for a byte that stands for no encoding. */
export function encodingOfByte(byte: number): BlockEncoding {
  if (byte === 0) return 'raw';
  if (byte === 1) return 'zstd';
  throw new DriveError('corrupt', `a pack names an encoding ${byte} that does not exist`);
}

/** What a block's seal binds its bytes to, so that no sealed block can stand in for another. */
function blockAssociated(pack: PackId, offset: number, block: Omit<BlockFrame, 'bytes'>): Buffer {
  const associated = Buffer.alloc(16 + 8 + 32 + 4 + 1);
  associated.write(pack, 0, 16, 'hex');
  associated.writeBigUInt64LE(BigInt(offset), 16);
  associated.write(block.hash, 24, 32, 'hex');
  associated.writeUInt32LE(block.length, 56);
  associated.writeUInt8(encodingByte(block.encoding), 60);
  return associated;
}

/** Seals a block for its place in a pack: the parts, one behind the other, are `tagBytes` longer than the frame's bytes. */
export function sealBlockParts(
  dataKey: Uint8Array,
  pack: PackId,
  offset: number,
  frame: BlockFrame,
): readonly [Buffer, Buffer] {
  const nonce = nonceAt(sealDomain.block, offset);
  return encryptParts(dataKey, nonce, blockAssociated(pack, offset, frame), frame.bytes);
}

/**
 * The frame that was sealed at `location` as the block `hash`. Throws `corrupt` if the bytes, or anything the location
 * says of them, is not as it was sealed.
 */
export function openBlock(
  dataKey: Uint8Array,
  hash: BlockHash,
  location: BlockLocation,
  sealed: Uint8Array,
): BlockFrame {
  const { pack, offset, length, encoding } = location;
  const associated = blockAssociated(pack, offset, { hash, length, encoding });
  const bytes = openAt(dataKey, { domain: sealDomain.block, offset }, associated, sealed);
  if (bytes === undefined) {
    throw new DriveError('corrupt', `block ${hash} in pack ${pack} at ${offset} is damaged: its seal does not hold`);
  }
  return { hash, length, encoding, bytes };
}
