/** Where a statement says that it is held. */
export interface TestReference {
  /** From the repository's root. */
  readonly path: string;
  readonly title: string;
}

/** One statement of a promise section. */
export interface Statement {
  readonly section: string;
  readonly text: string;
  readonly references: readonly TestReference[];
}

/** What `docs/SEMANTICS.md` holds. */
export interface Semantics {
  readonly statements: readonly Statement[];
  /** Lines of a promise section that belong to no statement: there, everything that is said must be held. */
  readonly strayLines: readonly string[];
  /** Titles of the sections that promise something. */
  readonly sections: readonly string[];
}

const referencePattern = /^ {2}- `(test\/[^`]+\.ts)` “(.+)”$/;

/**
 * Reads the page. A section (`##`) promises unless its title starts with "How" or "Not"; it consists of statements: a
 * list item, which may go on in indented lines, followed by at least one indented item for each test that holds it.
 */
export function parseSemantics(markdown: string): Semantics {
  const statements: { section: string; text: string; references: TestReference[] }[] = [];
  const strayLines: string[] = [];
  const sections: string[] = [];
  let section: string | undefined;
  for (const line of markdown.split('\n')) {
    const heading = /^## (.+)$/.exec(line)?.[1];
    if (heading !== undefined) {
      section = /^(How|Not) /.test(heading) ? undefined : heading;
      if (section !== undefined) sections.push(section);
      continue;
    }
    if (section === undefined || line === '' || line.startsWith('### ')) continue;
    const last = statements.findLast((each) => each.section === section);
    const [, path, title] = referencePattern.exec(line) ?? [];
    if (line.startsWith('- ')) statements.push({ section, text: line.slice(2), references: [] });
    else if (last === undefined) strayLines.push(line);
    else if (path !== undefined && title !== undefined) last.references.push({ path, title });
    else if (/^ {2}[^ -]/.test(line) && last.references.length === 0) last.text += ` ${line.trim()}`;
    else strayLines.push(line);
  }
  return { statements, strayLines, sections };
}
