import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseIfHeader } from '../../../gateway/webdav/if-header.ts';
import type { IfList } from '../../../gateway/webdav/if-header.ts';
import { isDriveError } from '../../../protocol/errors.ts';

test('an untagged header is a choice of lists about the requested resource', () => {
  expect(parseIfHeader('(<urn:uuid:1> ["a"]) (Not <DAV:no-lock> [W/"b]c"])')).toEqual([
    {
      resource: null,
      conditions: [
        { negated: false, type: 'token', value: 'urn:uuid:1' },
        { negated: false, type: 'etag', value: '"a"' },
      ],
    },
    {
      resource: null,
      conditions: [
        { negated: true, type: 'token', value: 'DAV:no-lock' },
        { negated: false, type: 'etag', value: 'W/"b]c"' },
      ],
    },
  ]);
});

test('a tag holds for all lists up to the next tag', () => {
  const lists = parseIfHeader('</a> (<t:1>)(<t:2>) <http://h/b> ( not ["x"] )');
  expect(lists.map(({ resource }) => resource)).toEqual(['/a', '/a', 'http://h/b']);
  expect(lists[2]?.conditions).toEqual([{ negated: true, type: 'etag', value: '"x"' }]);
});

test.each([
  '',
  ' ',
  '()',
  '(',
  '(<t:1>',
  '(<>)',
  '(<a b>)',
  '</a>',
  '(<t:1>) </a> (<t:2>)',
  '</a> (<t:1>) x',
  '([x])',
  '(["x)',
  '(Not)',
  '(Not Not <t:1>)',
  '(<t:1>) garbage',
  '("x")',
])('"%s" is refused', (header) => {
  expect(() => parseIfHeader(header)).toThrowError(expect.objectContaining({ code: 'invalidArgument' }) as Error);
});

const pieces = fc.constantFrom(
  '(',
  ')',
  '<',
  '>',
  '[',
  ']',
  '"',
  'Not',
  'W/',
  ' ',
  '\t',
  'urn:uuid:1',
  '/a',
  '"e"',
  'x',
);
const hostile = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.array(pieces).map((parts) => parts.join('')),
);

test('whatever is sent, it parses or is refused clearly', () => {
  fc.assert(
    fc.property(hostile, (header) => {
      try {
        for (const list of parseIfHeader(header)) expect(list.conditions.length).toBeGreaterThan(0);
      } catch (error) {
        if (!isDriveError(error, 'invalidArgument')) throw error;
      }
    }),
    { numRuns: 5_000 },
  );
});

const token = fc.stringMatching(/^[a-z]{1,5}:[a-z0-9-]{1,12}$/);
const etag = fc.stringMatching(/^(W\/)?"[a-z0-9\]()<>]{0,8}"$/);
const condition = fc.oneof(
  fc.record({ negated: fc.boolean(), type: fc.constant('token' as const), value: token }),
  fc.record({ negated: fc.boolean(), type: fc.constant('etag' as const), value: etag }),
);
const conditions = fc.array(condition, { minLength: 1, maxLength: 4 });
const untagged = fc.array(fc.record({ resource: fc.constant(null), conditions }), { minLength: 1, maxLength: 4 });
const tagged = fc.array(fc.record({ resource: fc.constantFrom('/a', '/b/c', 'http://h/d'), conditions }), {
  minLength: 1,
  maxLength: 4,
});

function write(lists: readonly IfList[]): string {
  return lists
    .map(({ resource, conditions: of }) => {
      const written = of.map(
        ({ negated, type, value }) => (negated ? 'Not ' : '') + (type === 'token' ? `<${value}>` : `[${value}]`),
      );
      return `${resource === null ? '' : `<${resource}> `}(${written.join(' ')})`;
    })
    .join(' ');
}

test('what is written by the grammar comes back as it was meant', () => {
  fc.assert(
    fc.property(fc.oneof(untagged, tagged), (lists) => {
      expect(parseIfHeader(write(lists))).toEqual(lists);
    }),
  );
});
