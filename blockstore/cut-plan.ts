import { isHole, manifestSize, type Manifest, type ManifestEntry } from '../protocol/manifest.ts';
import { complementOfRanges, intersectionOfRanges, unionOfRanges, type ByteRange } from './byte-range.ts';
import type { ChunkingProfile } from './profile.ts';

/**
 * What of a file is to be cut, and what of a former cut holds still.
 *
 * Holes split chunks: each segment between two of them is cut as if it were a file of its own. So what lies behind a
 * hole is cut alike whatever lies before it, and no hole is ever read. A run of zeros shorter than the profile's
 * `holeBytesMin` is no hole but data.
 */
export interface CutPlan {
  readonly profile: ChunkingProfile;
  readonly size: number;
  /** The stretches between holes, in order. */
  readonly segments: readonly ByteRange[];
  readonly reusable: ReusableBlocks;
}

/** Plans the cut of a whole file, of which everything outside `dataRanges` reads as zeros. */
export function planFullCut(profile: ChunkingProfile, size: number, dataRanges: readonly ByteRange[]): CutPlan {
  const segments = segmentsOf(unionOfRanges(dataRanges, size), size, profile);
  return { profile, size, segments, reusable: new ReusableBlocks([], [], profile) };
}

/**
 * Plans the new cut of a file that differs from `base` in `dirtyRanges` only, and in what is beyond the base's end.
 * `dataRanges` counts only there; elsewhere holes are where the base has them. A base of another profile has other
 * boundaries, so none of its blocks is taken over.
 */
export function planRecut(
  profile: ChunkingProfile,
  size: number,
  dataRanges: readonly ByteRange[],
  base: Manifest,
  dirtyRanges: readonly ByteRange[],
): CutPlan {
  const grown = { start: manifestSize(base), end: size };
  const dirty = unionOfRanges([...dirtyRanges, grown], size);
  const clean = complementOfRanges(dirty, size);
  const newData = intersectionOfRanges(dirty, unionOfRanges(dataRanges, size));
  const oldData = intersectionOfRanges(clean, unionOfRanges(dataOf(base), size));
  const segments = segmentsOf(unionOfRanges([...newData, ...oldData], size), size, profile);
  const entries = base.profile === profile.name ? base.entries : [];
  return { profile, size, segments, reusable: new ReusableBlocks(entries, dirty, profile) };
}

function dataOf(manifest: Manifest): ByteRange[] {
  const data: ByteRange[] = [];
  let at = 0;
  for (const entry of manifest.entries) {
    if (!isHole(entry)) data.push({ start: at, end: at + entry.length });
    at += entry.length;
  }
  return data;
}

/** The data ranges with what is too short for a hole filled in. */
function segmentsOf(data: readonly ByteRange[], size: number, profile: ChunkingProfile): ByteRange[] {
  const holes = complementOfRanges(data, size).filter(({ start, end }) => end - start >= profile.holeBytesMin);
  return complementOfRanges(holes, size);
}

/**
 * The blocks of a former cut, asked for from front to back. A block that begins at a boundary of the new cut is one of the
 * new cut too if none of its bytes is dirty and it ends for the same reason: cut by its content, or by the end of the segment.
 */
export class ReusableBlocks {
  readonly #entries: readonly ManifestEntry[];
  readonly #dirty: readonly ByteRange[];
  readonly #maxBytes: number;
  /** The first entry not passed yet, and where it begins. */
  #index = 0;
  #offset = 0;
  #dirtyIndex = 0;

  constructor(entries: readonly ManifestEntry[], dirty: readonly ByteRange[], profile: ChunkingProfile) {
    this.#entries = entries;
    this.#dirty = dirty;
    this.#maxBytes = profile.maxBytes;
  }

  /** The block of the former cut that is one of the new cut from `offset` on, in a segment that ends at `segmentEnd`. */
  blockAt(offset: number, segmentEnd: number): ManifestEntry | undefined {
    const entry = this.#advanceTo(offset);
    if (entry === undefined || this.#offset !== offset || isHole(entry)) return undefined;
    const end = offset + entry.length;
    if (end > segmentEnd || this.#isDirty(offset, end)) return undefined;
    const next = this.#entries[this.#index + 1];
    const cutByContent = entry.length === this.#maxBytes || (next !== undefined && !isHole(next));
    return cutByContent || end === segmentEnd ? entry : undefined;
  }

  #advanceTo(offset: number): ManifestEntry | undefined {
    let entry = this.#entries[this.#index];
    while (entry !== undefined && this.#offset < offset) {
      this.#offset += entry.length;
      entry = this.#entries[++this.#index];
    }
    return entry;
  }

  #isDirty(start: number, end: number): boolean {
    let range = this.#dirty[this.#dirtyIndex];
    while (range !== undefined && range.end <= start) range = this.#dirty[++this.#dirtyIndex];
    return range !== undefined && range.start < end;
  }
}
