import { hash } from 'node:crypto';
import type { BlockHash } from '../protocol/ids.ts';

/** The name of a block: the SHA-256 of its plaintext. */
export function hashBlock(plaintext: Uint8Array): BlockHash {
  return hash('sha256', plaintext, 'hex') as BlockHash;
}
