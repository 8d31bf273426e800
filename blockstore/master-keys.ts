import { randomBytes } from 'node:crypto';
import { DriveError } from '../protocol/errors.ts';
import type { PackId } from '../protocol/ids.ts';
import { dataKeyBytes, decrypt, encrypt, nonceBytes, tagBytes } from './sealing.ts';

export const keyIdCharacters = 16;
export const wrappedKeyBytes = nonceBytes + dataKeyBytes + tagBytes;

/** A data key under a master key: nonce, ciphertext, tag. */
export interface WrappedKey {
  readonly keyId: string;
  readonly wrappedKey: Uint8Array;
}

export interface MasterKey {
  /** 16 lower-case hexadecimal digits, random. */
  readonly id: string;
  /** 32 random bytes. */
  readonly key: Uint8Array;
}

/**
 * The keys that wrap data keys: one active for new packs, the others to open old ones. Nothing but these is secret
 * about a store, and without them its packs are noise: back them up apart from it.
 *
 * To rotate, make another key active, `rewrap` the data keys in the block index (packs are not touched), and keep
 * the old key for as long as packs may have to be read without the index.
 */
export class MasterKeys {
  readonly activeKeyId: string;
  readonly #keys: ReadonlyMap<string, Uint8Array>;

  /** Throws `invalidArgument` unless ids and keys have their lengths, ids differ, and `activeKeyId` is among them. */
  constructor(keys: readonly MasterKey[], activeKeyId: string) {
    for (const { id, key } of keys) {
      if (!/^[0-9a-f]{16}$/.test(id) || key.length !== dataKeyBytes) {
        throw new DriveError('invalidArgument', `master key "${id.slice(0, 32)}" is malformed`);
      }
    }
    this.#keys = new Map(keys.map(({ id, key }) => [id, key]));
    this.activeKeyId = activeKeyId;
    if (this.#keys.size !== keys.length) throw new DriveError('invalidArgument', 'two master keys have one id');
    if (!this.#keys.has(activeKeyId)) {
      throw new DriveError(
        'invalidArgument',
        `the active master key ${activeKeyId.slice(0, 32)} is not among the keys`,
      );
    }
  }

  /** Whether what the key `keyId` wrapped can be opened. */
  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  /** Wraps a pack's data key under the active key, bound to that pack. Nonces are the system's random bytes. */
  wrap(pack: PackId, dataKey: Uint8Array): WrappedKey {
    const keyId = this.activeKeyId;
    const nonce = randomBytes(nonceBytes);
    const sealed = encrypt(this.#keyOf(keyId), nonce, associated(pack, keyId), dataKey);
    return { keyId, wrappedKey: Buffer.concat([nonce, sealed]) };
  }

  /** The data key of `pack`. Throws `forbidden` without the master key, `corrupt` if the wrapping does not hold. */
  unwrap(pack: PackId, wrapped: WrappedKey): Uint8Array {
    const { keyId, wrappedKey } = wrapped;
    const nonce = wrappedKey.subarray(0, nonceBytes);
    const dataKey =
      wrappedKey.length === wrappedKeyBytes
        ? decrypt(this.#keyOf(keyId), nonce, associated(pack, keyId), wrappedKey.subarray(nonceBytes))
        : undefined;
    if (dataKey === undefined) {
      throw new DriveError('corrupt', `the data key of pack ${pack} is damaged: master key ${keyId} does not open it`);
    }
    return dataKey;
  }

  /** The same data key under the active key. */
  rewrap(pack: PackId, wrapped: WrappedKey): WrappedKey {
    return this.wrap(pack, this.unwrap(pack, wrapped));
  }

  #keyOf(keyId: string): Uint8Array {
    const key = this.#keys.get(keyId);
    if (key === undefined) {
      throw new DriveError('forbidden', `master key ${keyId.slice(0, 32)} is missing: add it to the key file again`);
    }
    return key;
  }
}

function associated(pack: PackId, keyId: string): Buffer {
  return Buffer.from(`holdfast data key v1 ${pack} ${keyId}`);
}
