import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RangeSet } from '../../../mount/content/range-set.ts';

const sizeMax = 64;
const range = fc.tuple(fc.integer({ min: 0, max: sizeMax }), fc.integer({ min: 0, max: sizeMax }));
const step = fc.record({ add: fc.boolean(), range });

/** Applies steps to the set and to a plain array of booleans. */
function build(steps: readonly { add: boolean; range: [number, number] }[]): { set: RangeSet; plain: boolean[] } {
  const set = new RangeSet();
  const plain = Array<boolean>(sizeMax).fill(false);
  for (const { add, range } of steps) {
    const [start, end] = [Math.min(...range), Math.max(...range)];
    if (add) set.add(start, end);
    else set.remove(start, end);
    plain.fill(add, start, end);
  }
  return { set, plain };
}

describe('RangeSet', () => {
  it('equals an array of booleans after any adds and removes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { set, plain } = build(steps);
        const seen = plain.map((_, offset) => set.has(offset));
        expect(seen).toEqual(plain);
        expect(set.byteLength).toBe(plain.filter(Boolean).length);
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps its ranges sorted, non-empty and apart', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const bounds = build(steps).set.toBounds();
        for (let i = 1; i < bounds.length; i += 1) expect(bounds[i]).toBeGreaterThan(bounds[i - 1] ?? -1);
      }),
      { numRuns: 2000 },
    );
  });

  it('splits any range into what is within and what is missing', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), range, (steps, wanted) => {
        const { set, plain } = build(steps);
        const [start, end] = [Math.min(...wanted), Math.max(...wanted)];
        const marks = Array<string>(sizeMax).fill('outside');
        for (const piece of set.within(start, end)) marks.fill('within', piece.start, piece.end);
        for (const piece of set.missing(start, end)) marks.fill('missing', piece.start, piece.end);
        const expected = plain.map((has, at) => (at < start || at >= end ? 'outside' : has ? 'within' : 'missing'));
        expect(marks).toEqual(expected);
        expect(set.covers(start, end)).toBe(set.missing(start, end).length === 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('comes back from its stored form', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { set } = build(steps);
        expect(new RangeSet(set.toBounds()).ranges()).toEqual(set.ranges());
      }),
    );
  });
});
