import { DriveError } from '../../protocol/errors.ts';

/** One condition of a list: a state token (a lock) or an entity tag, wanted or, with `Not`, unwanted. */
export interface IfCondition {
  readonly negated: boolean;
  readonly type: 'token' | 'etag';
  /** The token without its angle brackets, or the entity tag with its quotes and `W/` if weak. */
  readonly value: string;
}

/** A list holds if all its conditions hold for its resource: the tagged URL, or (`null`) that of the request. */
export interface IfList {
  readonly resource: string | null;
  readonly conditions: readonly IfCondition[];
}

const conditionsMax = 1000;

/**
 * Parses an `If` header (RFC 4918 §10.4): either lists without a tag, or lists each after a tagged URL, never
 * both. The header holds if one of the lists does. Throws `invalidArgument` for anything else, and nothing else.
 */
export function parseIfHeader(header: string): IfList[] {
  const scanner = new Scanner(header);
  const lists: IfList[] = [];
  let conditions = 0;
  scanner.skipSpace();
  const tagged = scanner.at('<');
  while (!scanner.ended()) {
    const resource = tagged ? scanner.bracketed() : null;
    scanner.skipSpace();
    do {
      const list = parseList(scanner);
      conditions += list.length;
      if (conditions > conditionsMax) scanner.fail(`more than ${conditionsMax} conditions`);
      lists.push({ resource, conditions: list });
      scanner.skipSpace();
    } while (scanner.at('('));
  }
  if (lists.length === 0) scanner.fail('it is empty');
  return lists;
}

function parseList(scanner: Scanner): IfCondition[] {
  const conditions: IfCondition[] = [];
  scanner.expect('(');
  scanner.skipSpace();
  while (!scanner.at(')')) {
    const negated = scanner.takeNot();
    if (negated) scanner.skipSpace();
    conditions.push(
      scanner.at('<')
        ? { negated, type: 'token', value: scanner.bracketed() }
        : { negated, type: 'etag', value: scanner.bracketedEtag() },
    );
    scanner.skipSpace();
  }
  scanner.expect(')');
  if (conditions.length === 0) scanner.fail('a list is empty');
  return conditions;
}

class Scanner {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  ended(): boolean {
    return this.#position >= this.#text.length;
  }

  at(mark: string): boolean {
    return this.#text[this.#position] === mark;
  }

  skipSpace(): void {
    while (this.at(' ') || this.at('\t')) this.#position++;
  }

  expect(mark: string): void {
    if (!this.at(mark)) this.fail(`"${mark}" is missing at character ${this.#position + 1}`);
    this.#position++;
  }

  takeNot(): boolean {
    const found = this.#text.slice(this.#position, this.#position + 3).toLowerCase() === 'not';
    if (found) this.#position += 3;
    return found;
  }

  /** A Coded-URL: an absolute URI, or for a tag also a path, between "<" and ">". */
  bracketed(): string {
    this.expect('<');
    const value = this.#until('>');
    if (value === '' || /[\s<]/.test(value)) this.fail('a URL in angle brackets is malformed');
    return value;
  }

  /** An entity tag in square brackets; its quoted part may itself hold "]". */
  bracketedEtag(): string {
    this.expect('[');
    const weak = this.at('W') ? 'W/' : '';
    if (weak !== '') {
      this.expect('W');
      this.expect('/');
    }
    this.expect('"');
    const opaque = this.#until('"');
    this.expect(']');
    return `${weak}"${opaque}"`;
  }

  fail(reason: string): never {
    throw new DriveError('invalidArgument', `the If header is malformed: ${reason}`);
  }

  #until(mark: string): string {
    const end = this.#text.indexOf(mark, this.#position);
    if (end === -1) this.fail(`"${mark}" is missing`);
    const value = this.#text.slice(this.#position, end);
    this.#position = end + 1;
    return value;
  }
}
