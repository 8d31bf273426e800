import { DriveError } from '../protocol/errors.ts';

/**
 * How bytes are cut into blocks. A profile never changes once it is named: the same bytes must give the same
 * blocks on every device and in every later release, or nothing would be found again. Another way to cut is
 * another profile, and each manifest names the one its blocks were cut with.
 */
export interface ChunkingProfile {
  readonly name: string;
  /** No block is shorter, except the last one before a hole or the end. */
  readonly minBytes: number;
  /** Where cutting turns from reluctant to eager, which gathers lengths around it (normalized chunking). */
  readonly averageBytes: number;
  /** No block is longer. */
  readonly maxBytes: number;
  /** Before `averageBytes` a position is a boundary with probability 2^-strictBits, after it with 2^-looseBits. */
  readonly strictBits: number;
  readonly looseBits: number;
  /** Gear value i is the first 8 bytes, little-endian, of SHA-256 over this text followed by the byte i. */
  readonly gearSeed: string;
  /** A run of zeros that the file system keeps as a hole is told apart from data from this length on. */
  readonly holeBytesMin: number;
}

const kib = 1024;

const gear64: ChunkingProfile = {
  name: 'gear64-256k-v1',
  minBytes: 64 * kib,
  averageBytes: 256 * kib,
  maxBytes: 1024 * kib,
  strictBits: 20,
  looseBits: 16,
  gearSeed: 'holdfast gear64-256k-v1',
  holeBytesMin: 64 * kib,
};

/** The one profile all writers use, so that dedup is global. */
export const defaultProfile: ChunkingProfile = gear64;

const profiles: ReadonlyMap<string, ChunkingProfile> = new Map([[gear64.name, gear64]]);

/** The profile of that name, or throws `unsupported`. */
export function profileNamed(name: string): ChunkingProfile {
  const profile = profiles.get(name);
  if (profile === undefined) {
    throw new DriveError('unsupported', `chunking profile "${name.slice(0, 80)}" is not known: update this program`);
  }
  return profile;
}
