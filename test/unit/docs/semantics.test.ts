import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseSemantics } from './statements.ts';
import { testTitles } from './test-titles.ts';

const root = join(import.meta.dirname, '..', '..', '..');

describe('docs/SEMANTICS.md', () => {
  const { statements, strayLines, sections } = parseSemantics(readFileSync(join(root, 'docs/SEMANTICS.md'), 'utf8'));

  test('promises nothing without the test that holds it', () => {
    expect(strayLines).toEqual([]);
    expect(statements.filter(({ references }) => references.length === 0).map(({ text }) => text)).toEqual([]);
    for (const section of sections) {
      expect(statements.filter((each) => each.section === section).length, section).toBeGreaterThan(0);
    }
    expect(sections.length).toBeGreaterThan(5);
  });

  test('names only tests that there are', () => {
    const known = new Map<string, ReadonlySet<string>>();
    const missing: string[] = [];
    for (const { path, title } of statements.flatMap(({ references }) => references)) {
      const file = join(root, path);
      if (!known.has(path)) {
        known.set(path, existsSync(file) ? testTitles(readFileSync(file, 'utf8')) : new Set());
      }
      if (known.get(path)?.has(title) !== true) missing.push(`${path}: ${title}`);
    }
    expect(missing).toEqual([]);
  });

  test('says nothing twice', () => {
    const texts = statements.map(({ text }) => text);
    expect(texts).toEqual([...new Set(texts)]);
  });
});

describe('reading statements', () => {
  const page = `# Title
Anything here.

## How to read it
- Not a promise.

## Files

- A statement
  of two lines.
  - \`test/a.test.ts\` “one”
  - \`test/b-suite.ts\` “two “quoted””
- A bare one.
Prose.

## Not there yet

- Nothing to hold.
`;

  test('finds each with its references, and what belongs to none', () => {
    expect(parseSemantics(page)).toEqual({
      sections: ['Files'],
      statements: [
        {
          section: 'Files',
          text: 'A statement of two lines.',
          references: [
            { path: 'test/a.test.ts', title: 'one' },
            { path: 'test/b-suite.ts', title: 'two “quoted”' },
          ],
        },
        { section: 'Files', text: 'A bare one.', references: [] },
      ],
      strayLines: ['Prose.'],
    });
  });

  test('finds titles of tests in every form, and of none that is switched off', () => {
    const source = [
      "it('plain', () => {});",
      "test.each([['x']])('of %s', (each) => {});",
      'it.skipIf(a)("it\'s", () => {});',
      'test.skipIf(a).each([1])(`to ${seeds}`, () => {});',
      "test.skip('off', () => {}); it.todo('later'); describe('a group', () => {}); other('no', 1);",
      "// it('in a comment', () => {})",
    ].join('\n');
    expect([...testTitles(source)]).toEqual(['plain', 'of %s', "it's", 'to ${seeds}']);
  });
});
