import type { ByteRange } from './content-store.ts';

/** A large file is evicted by pieces of this size, at multiples of it; a smaller one as a whole. */
export const segmentBytes = 4 * 1024 * 1024;

/** When a segment of a file was used last. */
export interface SegmentUse {
  /** Counted from the file's start in units of `segmentBytes`. */
  readonly segment: number;
  readonly usedMs: number;
}

/** A segment that may go, and how many bytes of it are local. */
export interface EvictableSegment extends SegmentUse {
  readonly localBytes: number;
}

/** When the segments of one large file were used last. Of a segment that is not known, nobody knows: it counts as oldest. */
export class SegmentUses {
  readonly #usedMs = new Map<number, number>();
  readonly #unrecorded = new Set<number>();

  constructor(recorded: Iterable<SegmentUse>) {
    for (const { segment, usedMs } of recorded) this.#usedMs.set(segment, usedMs);
  }

  touch(start: number, end: number, nowMs: number): void {
    for (const segment of segmentsOf({ start, end })) {
      if (this.#usedMs.get(segment) === nowMs) continue;
      this.#usedMs.set(segment, nowMs);
      this.#unrecorded.add(segment);
    }
  }

  usedMs(segment: number): number {
    return this.#usedMs.get(segment) ?? 0;
  }

  /** What was used since the last call, to be recorded. */
  takeUnrecorded(): SegmentUse[] {
    const uses = [...this.#unrecorded].map((segment) => ({ segment, usedMs: this.usedMs(segment) }));
    this.#unrecorded.clear();
    return uses;
  }
}

/** The segments of `present` that nobody wants now, those used longest ago first. */
export function segmentsByAge(
  present: Iterable<ByteRange>,
  wanted: Iterable<ByteRange>,
  usedMsOf: (segment: number) => number,
): EvictableSegment[] {
  const bytesOf = new Map<number, number>();
  for (const range of present) {
    for (const segment of segmentsOf(range)) {
      const { start, end } = rangeOfSegment(segment);
      const bytes = Math.min(end, range.end) - Math.max(start, range.start);
      bytesOf.set(segment, (bytesOf.get(segment) ?? 0) + bytes);
    }
  }
  for (const range of wanted) for (const segment of segmentsOf(range)) bytesOf.delete(segment);
  const all = [...bytesOf].map(([segment, localBytes]) => ({ segment, usedMs: usedMsOf(segment), localBytes }));
  return all.sort((a, b) => a.usedMs - b.usedMs || a.segment - b.segment);
}

export function rangeOfSegment(segment: number): ByteRange {
  return { start: segment * segmentBytes, end: (segment + 1) * segmentBytes };
}

function* segmentsOf({ start, end }: ByteRange): Generator<number> {
  if (end <= start) return;
  const last = Math.floor((end - 1) / segmentBytes);
  for (let segment = Math.floor(start / segmentBytes); segment <= last; segment += 1) yield segment;
}
