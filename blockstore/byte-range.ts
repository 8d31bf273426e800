/** A half-open range of bytes, `[start, end)`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The bytes that are in any of `ranges` and below `size`: sorted, apart from each other, none empty. */
export function unionOfRanges(ranges: readonly ByteRange[], size: number): ByteRange[] {
  const sorted = ranges
    .map(({ start, end }) => ({ start: Math.max(0, start), end: Math.min(end, size) }))
    .filter(({ start, end }) => start < end)
    .sort((a, b) => a.start - b.start);
  const union: { start: number; end: number }[] = [];
  for (const range of sorted) {
    const last = union.at(-1);
    if (last !== undefined && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else union.push(range);
  }
  return union;
}

/** The bytes below `size` that are in none of `ranges`, which must be a union. */
export function complementOfRanges(ranges: readonly ByteRange[], size: number): ByteRange[] {
  const gaps: ByteRange[] = [];
  let at = 0;
  for (const { start, end } of ranges) {
    if (at < start) gaps.push({ start: at, end: start });
    at = end;
  }
  if (at < size) gaps.push({ start: at, end: size });
  return gaps;
}

/** The bytes that are in both of two unions. */
export function intersectionOfRanges(a: readonly ByteRange[], b: readonly ByteRange[]): ByteRange[] {
  const both: ByteRange[] = [];
  for (let i = 0, j = 0; ;) {
    const left = a[i];
    const right = b[j];
    if (left === undefined || right === undefined) return both;
    const start = Math.max(left.start, right.start);
    const end = Math.min(left.end, right.end);
    if (start < end) both.push({ start, end });
    if (left.end <= right.end) i++;
    else j++;
  }
}
