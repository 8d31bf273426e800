import { readSync } from 'node:fs';
import { DriveError } from '../protocol/errors.ts';
import type { BlockHash } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { holeHash, isHole, type Manifest, type ManifestEntry } from '../protocol/manifest.ts';
import type { ByteRange } from './byte-range.ts';
import { Chunker } from './chunker.ts';
import { planFullCut, planRecut, type CutPlan } from './cut-plan.ts';
import { hashBlock } from './hash.ts';
import { defaultProfile } from './profile.ts';

/** A file to cut, whose bytes must not change meanwhile. */
export interface ChunkSource {
  readonly size: number;
  /** Where data is; outside of it the file reads as zeros and need not be read. May be unsorted and pass the end. */
  readonly dataRanges: readonly ByteRange[];
  /** Reads exactly `length` bytes at `offset`. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A file to cut through a descriptor, with blocking reads: for a worker thread. The descriptor stays the caller's. */
export interface ChunkDescriptor {
  readonly size: number;
  readonly dataRanges: readonly ByteRange[];
  readonly fd: number;
}

/** A block that was cut from a file. */
export interface CutBlock {
  readonly hash: BlockHash;
  /** Where it stands in the file. */
  readonly offset: number;
  readonly length: number;
  /** Its plaintext, valid until the callback is done with it. */
  readonly bytes: Uint8Array;
}

/** How a file came out of its former version. */
export interface Recut {
  readonly base: Manifest;
  /** What differs from the base. Beyond the base's end all counts as different. */
  readonly dirtyRanges: readonly ByteRange[];
}

/** Bytes asked for at once. */
const readBytesMax = 256 * 1024;
/** Room for the block at hand and reads ahead of it; the block is moved to the front when it comes to the end. */
const bufferBytesMax = 4 * 1024 * 1024;

/**
 * Cuts a whole file into blocks and names them. `onBlock` is called for each in order, a promise it returns is awaited,
 * and memory is bounded (4 MiB). Holes of the profile's `holeBytesMin` and more are not read. Throws `conflict` if
 * the file ends before its size, `tooLarge` if it has more blocks than a manifest may have, and what `read` and `onBlock` throw.
 */
export async function chunkFile(
  source: ChunkSource,
  onBlock?: (block: CutBlock) => void | Promise<void>,
): Promise<Manifest> {
  return cutAsync(planFullCut(defaultProfile, source.size, source.dataRanges), source, onBlock);
}

/** As `chunkFile`, without giving way to anything else meanwhile. */
export function chunkFileSync(source: ChunkDescriptor, onBlock?: (block: CutBlock) => void): Manifest {
  return cutSync(planFullCut(defaultProfile, source.size, source.dataRanges), source, onBlock);
}

/**
 * Cuts a changed file anew, reading only from the last boundary before each dirty range until boundaries meet the former ones
 * again. `onBlock` is called for what was cut anew, not for what the base had at the same place. The manifest is the
 * one that `chunkFile` makes of the same file if its holes outside the dirty ranges are the base's.
 */
export async function rechunkFile(
  source: ChunkSource,
  recut: Recut,
  onBlock?: (block: CutBlock) => void | Promise<void>,
): Promise<Manifest> {
  return cutAsync(planOf(source, recut), source, onBlock);
}

/** As `rechunkFile`, without giving way to anything else meanwhile. */
export function rechunkFileSync(source: ChunkDescriptor, recut: Recut, onBlock?: (block: CutBlock) => void): Manifest {
  return cutSync(planOf(source, recut), source, onBlock);
}

/** The blocks of a manifest with their places, for a second pass over those that are missing somewhere. */
export function* manifestBlocks(manifest: Manifest): Generator<Omit<CutBlock, 'bytes'>> {
  let offset = 0;
  for (const entry of manifest.entries) {
    if (!isHole(entry)) yield { hash: entry.hash, offset, length: entry.length };
    offset += entry.length;
  }
}

function planOf({ size, dataRanges }: ChunkDescriptor | ChunkSource, { base, dirtyRanges }: Recut): CutPlan {
  return planRecut(defaultProfile, size, dataRanges, base, dirtyRanges);
}

async function cutAsync(
  plan: CutPlan,
  source: ChunkSource,
  onBlock: ((block: CutBlock) => void | Promise<void>) | undefined,
): Promise<Manifest> {
  const cutting = new FileCutter(plan).cut();
  for (let step = cutting.next(); ; step = cutting.next()) {
    if (step.done === true) return step.value;
    if (step.value.type === 'block') {
      await onBlock?.(step.value.block);
      continue;
    }
    const { offset, target } = step.value;
    const bytes = await source.read(offset, target.length);
    if (bytes.length !== target.length) throw changedMeanwhile(offset + bytes.length);
    target.set(bytes);
  }
}

function cutSync(plan: CutPlan, source: ChunkDescriptor, onBlock: ((block: CutBlock) => void) | undefined): Manifest {
  const cutting = new FileCutter(plan).cut();
  for (let step = cutting.next(); ; step = cutting.next()) {
    if (step.done === true) return step.value;
    if (step.value.type === 'block') onBlock?.(step.value.block);
    else readFully(source.fd, step.value.offset, step.value.target);
  }
}

function readFully(fd: number, offset: number, target: Uint8Array): void {
  for (let at = 0; at < target.length;) {
    const count = readSync(fd, target, at, target.length - at, offset + at);
    if (count === 0) throw changedMeanwhile(offset + at);
    at += count;
  }
}

function changedMeanwhile(end: number): DriveError {
  return new DriveError('conflict', `the file became shorter while it was read: it ends at ${end} now`);
}

/** What the cutter wants of whoever drives it: `target` filled from the file, or a block taken. */
type Step =
  | { readonly type: 'read'; readonly offset: number; readonly target: Uint8Array }
  | { readonly type: 'block'; readonly block: CutBlock };

/** Cuts along a plan, doing no reading itself, so that one algorithm serves blocking and asynchronous reads. */
class FileCutter {
  readonly #plan: CutPlan;
  readonly #entries: ManifestEntry[] = [];
  readonly #buffer: Uint8Array;
  /** The buffer holds the file's bytes from `#offset` on in `[#start, #end)`. */
  #start = 0;
  #end = 0;
  #offset = 0;
  #chunker: Chunker | undefined;

  constructor(plan: CutPlan) {
    this.#plan = plan;
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(bufferBytesMax, plan.size));
  }

  *cut(): Generator<Step, Manifest, void> {
    const { segments, size, reusable, profile } = this.#plan;
    let at = 0;
    for (const { start, end } of segments) {
      this.#addHole(start - at);
      for (at = start; at < end;) {
        const old = reusable.blockAt(at, end);
        const entry = old ?? (yield* this.#cutBlock(at, end));
        this.#add({ hash: entry.hash, length: entry.length });
        at += entry.length;
      }
    }
    this.#addHole(size - at);
    return { profile: profile.name, entries: this.#entries };
  }

  #addHole(length: number): void {
    if (length > 0) this.#add({ hash: holeHash, length });
  }

  #add(entry: ManifestEntry): void {
    if (this.#entries.length === limits.manifestEntriesMax) {
      throw new DriveError('tooLarge', `a file has at most ${limits.manifestEntriesMax} blocks`);
    }
    this.#entries.push(entry);
  }

  *#cutBlock(offset: number, segmentEnd: number): Generator<Step, ManifestEntry, void> {
    this.#dropBefore(offset);
    const length = yield* this.#findEnd(segmentEnd);
    const bytes = this.#buffer.subarray(this.#start, this.#start + length);
    const hash = hashBlock(bytes);
    yield { type: 'block', block: { hash, offset, length, bytes } };
    return { hash, length };
  }

  /** The length of the block that starts at `#offset`, all of which is in the buffer then. */
  *#findEnd(segmentEnd: number): Generator<Step, number, void> {
    const left = segmentEnd - this.#offset;
    if (left <= this.#plan.profile.minBytes) {
      while (this.#end - this.#start < left) yield this.#readMore(left - (this.#end - this.#start));
      return left;
    }
    this.#chunker ??= new Chunker(this.#plan.profile);
    for (let scanned = 0; ;) {
      const available = Math.min(this.#end - this.#start, left);
      const cut = this.#chunker.cut(this.#buffer.subarray(this.#start + scanned, this.#start + available));
      if (cut !== -1) return scanned + cut;
      scanned = available;
      if (scanned === left) return this.#chunker.finish();
      yield this.#readMore(left - scanned);
    }
  }

  #dropBefore(offset: number): void {
    const held = this.#end - this.#start;
    const dropped = Math.min(Math.max(offset - this.#offset, 0), held);
    this.#start += dropped;
    if (dropped === held) this.#start = this.#end = 0;
    this.#offset = offset;
  }

  #readMore(wanted: number): Step {
    const length = Math.min(wanted, readBytesMax);
    if (this.#end + length > this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const target = this.#buffer.subarray(this.#end, this.#end + length);
    const offset = this.#offset + (this.#end - this.#start);
    this.#end += length;
    return { type: 'read', offset, target };
  }
}
