import type { ByteRange } from './content-store.ts';
import type { ManifestMap } from './manifest-map.ts';
import type { RangeSet } from './range-set.ts';
import { nextData, nextHole } from './sparse-file.ts';

/** What says where a content file has data. */
export interface DataLayout {
  /** Gives the content file's descriptor, when it is needed. */
  readonly descriptor: () => number;
  readonly size: number;
  readonly baseEnd: number;
  readonly present: RangeSet;
  readonly map: ManifestMap | undefined;
}

/** Where data is from `offset` on, in order, touching pieces joined. What is not hydrated counts by its manifest. */
export function dataRangesOf(layout: DataLayout, offset: number): ByteRange[] {
  const out: { start: number; end: number }[] = [];
  for (const piece of dataPieces(layout, offset)) {
    const last = out.at(-1);
    if (last !== undefined && last.end === piece.start) last.end = piece.end;
    else out.push(piece);
  }
  return out;
}

function* dataPieces(layout: DataLayout, offset: number): Generator<{ start: number; end: number }> {
  const { size, baseEnd, present, map } = layout;
  let at = offset;
  while (at < size) {
    const inBase = at < baseEnd;
    if (inBase && !present.has(at)) {
      const end = present.missing(at, baseEnd)[0]?.end ?? baseEnd;
      for (const stretch of map?.stretches(at, end) ?? [{ offset: at, length: end - at, hash: '' }]) {
        if (stretch.hash === null) continue;
        yield { start: Math.max(at, stretch.offset), end: Math.min(end, stretch.offset + stretch.length) };
      }
      at = end;
      continue;
    }
    const end = inBase ? (present.within(at, baseEnd)[0]?.end ?? baseEnd) : size;
    yield* localData(layout, at, end);
    at = end;
  }
}

function* localData(layout: DataLayout, start: number, end: number): Generator<{ start: number; end: number }> {
  const fd = layout.descriptor();
  for (let at = start; at < end;) {
    const data = nextData(fd, at);
    if (data === undefined || data >= end) return;
    const hole = Math.min(end, nextHole(fd, data, layout.size));
    yield { start: data, end: hole };
    at = hole;
  }
}
