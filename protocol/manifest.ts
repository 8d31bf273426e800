import { DriveError } from './errors.ts';
import type { BlockHash } from './ids.ts';
import { limits } from './limits.ts';

/** One stretch of a version: a block, or a hole where `hash` is `holeHash`. */
export interface ManifestEntry {
  readonly hash: BlockHash;
  /** Bytes of plaintext; at least 1, and at most `limits.blockBytesMax` unless a hole. */
  readonly length: number;
}

/**
 * The ordered list of stretches that make up one version; their lengths add up to the file's size, and an
 * empty file has none. `profile` names the chunking parameters the blocks were cut with, so that a later
 * edit is cut alike.
 */
export interface Manifest {
  readonly profile: string;
  readonly entries: readonly ManifestEntry[];
}

/** Marks a stretch that reads as zeros and that no block backs, so a sparse file costs one entry a hole. */
export const holeHash = '0'.repeat(64) as BlockHash;

export function isHole(entry: ManifestEntry): boolean {
  return entry.hash === holeHash;
}

/** The size of the file that `manifest` describes. */
export function manifestSize(manifest: Manifest): number {
  let size = 0;
  for (const entry of manifest.entries) size += entry.length;
  return size;
}

/** The distinct blocks that `manifest` names; holes name none. */
export function manifestHashes(manifest: Manifest): Set<BlockHash> {
  const hashes = new Set<BlockHash>();
  for (const entry of manifest.entries) if (!isHole(entry)) hashes.add(entry.hash);
  return hashes;
}

/** Throws `invalidArgument` or `tooLarge` unless `manifest` could have been made by a chunker. */
export function checkManifest(manifest: Manifest): void {
  if (manifest.entries.length > limits.manifestEntriesMax) {
    throw new DriveError('tooLarge', `a manifest has at most ${limits.manifestEntriesMax} entries`);
  }
  let size = 0;
  for (const entry of manifest.entries) {
    const lengthMax = isHole(entry) ? limits.fileBytesMax : limits.blockBytesMax;
    if (!Number.isSafeInteger(entry.length) || entry.length < 1 || entry.length > lengthMax) {
      throw new DriveError('invalidArgument', `a manifest entry cannot have length ${entry.length}`);
    }
    size += entry.length;
  }
  if (size > limits.fileBytesMax) throw new DriveError('tooLarge', `a file has at most ${limits.fileBytesMax} bytes`);
}

const entryBytes = 32 + 8;
const formatVersion = 1;

/**
 * The stored form: one byte of format version, one byte of profile-name length, the profile's name, then 40
 * bytes an entry (SHA-256, then the length as a little-endian 64-bit integer).
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const profile = Buffer.from(manifest.profile);
  const out = Buffer.alloc(2 + profile.length + manifest.entries.length * entryBytes);
  out[0] = formatVersion;
  out[1] = profile.length;
  profile.copy(out, 2);
  let at = 2 + profile.length;
  for (const entry of manifest.entries) {
    out.write(entry.hash, at, 32, 'hex');
    out.writeBigUInt64LE(BigInt(entry.length), at + 32);
    at += entryBytes;
  }
  return out;
}

/** Reads what `encodeManifest` wrote; throws `corrupt` on anything else. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const profileLength = buffer[1] ?? 0;
  const start = 2 + profileLength;
  if (buffer[0] !== formatVersion || buffer.length < start || (buffer.length - start) % entryBytes !== 0) {
    throw new DriveError('corrupt', 'a stored manifest is damaged');
  }
  const entries: ManifestEntry[] = [];
  for (let at = start; at < buffer.length; at += entryBytes) {
    const hash = buffer.toString('hex', at, at + 32) as BlockHash;
    entries.push({ hash, length: Number(buffer.readBigUInt64LE(at + 32)) });
  }
  return { profile: buffer.toString('utf8', 2, start), entries };
}
