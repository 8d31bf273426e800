import ts from 'typescript';

const makers = new Set(['it', 'test']);
/** What makes a test that does not run. */
const absent = new Set(['skip', 'todo', 'fails']);

/**
 * The titles of the tests that `source` defines with `it` or `test` in any form (`test.each(…)(title)`,
 * `it.skipIf(…)(title)`), as they are written: a template literal keeps its `${…}`, a table its `%s`. Tests that are
 * switched off are left out.
 */
export function testTitles(source: string): ReadonlySet<string> {
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && makesTest(node.expression)) {
      const title = node.arguments[0] === undefined ? undefined : textOf(node.arguments[0]);
      if (title !== undefined) titles.add(title);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('test.ts', source, ts.ScriptTarget.Latest));
  return titles;
}

/** Follows `test.skipIf(…).each(…)` down to the name at its root. */
function makesTest(callee: ts.Expression): boolean {
  if (ts.isIdentifier(callee)) return makers.has(callee.text);
  if (ts.isPropertyAccessExpression(callee)) return !absent.has(callee.name.text) && makesTest(callee.expression);
  if (ts.isCallExpression(callee)) return makesTest(callee.expression);
  return false;
}

function textOf(node: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  const spans = node.templateSpans.map(({ expression, literal }) =>
    ts.isIdentifier(expression) ? `\${${expression.text}}${literal.text}` : `\${…}${literal.text}`,
  );
  return node.head.text + spans.join('');
}
