import { expect, test } from 'vitest';
import { parseRange } from '../../../gateway/webdav/byte-range.ts';

test.each([
  ['bytes=0-0', { start: 0, end: 1 }],
  ['bytes=2-5', { start: 2, end: 6 }],
  ['bytes=5-', { start: 5, end: 10 }],
  ['bytes=9-99', { start: 9, end: 10 }],
  ['bytes=-3', { start: 7, end: 10 }],
  ['bytes=-99', { start: 0, end: 10 }],
  ['BYTES=1-1', { start: 1, end: 2 }],
])('%s of ten bytes', (header, range) => {
  expect(parseRange(header, 10)).toEqual(range);
});

test.each(['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99999999999999999999-'])(
  '%s cannot be had of ten bytes',
  (header) => {
    expect(parseRange(header, 10)).toBe('unsatisfiable');
  },
);

test.each([undefined, '', 'bytes=', 'bytes=-', 'bytes=5-2', 'bytes=a-b', 'items=0-1', 'bytes=0-1,3-4', 'bytes 0-1'])(
  '%s is ignored',
  (header) => {
    expect(parseRange(header, 10)).toBeNull();
  },
);

test('no range of an empty file can be had', () => {
  expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
  expect(parseRange('bytes=-1', 0)).toBe('unsatisfiable');
});
