import { describe, expect, test } from 'vitest';
import { formatByteSize, parseByteSize } from '../../../cli/byte-size.ts';

describe('sizes on the command line', () => {
  test.each([
    ['0', 0],
    ['1048576', 1_048_576],
    ['512MiB', 512 * 1024 ** 2],
    ['20GiB', 20 * 1024 ** 3],
    ['1.5g', 1.5 * 1024 ** 3],
    ['2 TB', 2 * 1024 ** 4],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  test.each(['', '-1', '20 parrots', 'GiB', '1e3'])('%j is refused with a clear error', (text) => {
    expect(() => parseByteSize(text)).toThrow(/is not a size/);
  });

  test('are written with a unit a person would choose', () => {
    expect(formatByteSize(0)).toBe('0 B');
    expect(formatByteSize(1023)).toBe('1023 B');
    expect(formatByteSize(1536)).toBe('1.5 KiB');
    expect(formatByteSize(20 * 1024 ** 3)).toBe('20.0 GiB');
  });
});
