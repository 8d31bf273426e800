import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatUrlPath, parseUrlPath } from '../../../gateway/webdav/url-path.ts';
import { isDriveError } from '../../../protocol/errors.ts';

describe('parseUrlPath', () => {
  test.each([
    ['/dav', [], false],
    ['/dav/', [], true],
    ['/dav/ada/a%20b/', ['ada', 'a b'], true],
    ['/dav//ada///x', ['ada', 'x'], false],
    ['/dav/ada/x?y=/z', ['ada', 'x'], false],
    ['http://host:1/dav/ada/x', ['ada', 'x'], false],
    ['/dav/%e2%82%ac', ['€'], false],
    ['/dav/\u00e2\u0082\u00ac', ['€'], false],
    ['/dav/%01%7f', ['\u0001\u007f'], false],
    [`/dav/${'n'.repeat(255)}`, ['n'.repeat(255)], false],
  ])('%s', (target, segments, trailingSlash) => {
    expect(parseUrlPath(target, '/dav')).toEqual({ segments, trailingSlash });
  });

  test.each([
    ['/dav/%zz', 'invalidArgument'],
    ['/dav/%', 'invalidArgument'],
    ['/dav/%4', 'invalidArgument'],
    ['/dav/%ff', 'invalidArgument'],
    ['/dav/%c0%af', 'invalidArgument'],
    ['/dav/%ed%a0%80', 'invalidArgument'],
    ['/dav/\u20ac', 'invalidArgument'],
    ['/dav/x#y', 'invalidArgument'],
    ['/dav/../etc', 'invalidName'],
    ['/dav/%2e%2e/etc', 'invalidName'],
    ['/dav/.', 'invalidName'],
    ['/dav/a%2Fb', 'invalidName'],
    ['/dav/a%00', 'invalidName'],
    [`/dav/${'n'.repeat(256)}`, 'nameTooLong'],
    ['/', 'notFound'],
    ['/davx', 'notFound'],
    ['*', 'notFound'],
    ['', 'notFound'],
  ])('%s is refused: %s', (target, code) => {
    expect(() => parseUrlPath(target, '/dav')).toThrowError(expect.objectContaining({ code }) as Error);
  });

  test('whatever is sent, it parses or is refused clearly', () => {
    const part = fc.constantFrom('/dav', '/', '%', '%2e', '..', '%ff', 'a', '%00', '?', '\u00e9');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(part).map((parts) => parts.join('')),
        ),
        (target) => {
          try {
            parseUrlPath(target, '/dav');
          } catch (error) {
            if (!isDriveError(error)) throw error;
          }
        },
      ),
    );
  });
});

test('every name comes back from its URL', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    .filter((text) => !/^\.{1,2}$|[/\0]/.test(text) && text.isWellFormed() && Buffer.byteLength(text) <= 255);
  fc.assert(
    fc.property(fc.array(name), fc.boolean(), (segments, collection) => {
      const url = formatUrlPath('/dav', segments, collection);
      expect(url).toMatch(/^[A-Za-z0-9/%._~-]+$/);
      expect(parseUrlPath(url, '/dav').segments).toEqual(segments);
    }),
  );
});
