import { SaxesParser } from 'saxes';
import type { SaxesTagNS } from 'saxes';
import { DriveError } from '../../protocol/errors.ts';
import type { XmlAttribute, XmlElement } from './xml-element.ts';

const depthMax = 64;
const attributesMax = 64;
const elementsMaxDefault = 10_000;

/** An element under construction. */
interface OpenElement extends XmlElement {
  readonly children: (XmlElement | string)[];
}

function refuse(message: string, cause?: unknown): never {
  throw new DriveError('invalidArgument', `the XML is not acceptable: ${message}`, { cause });
}

/**
 * Builds the element tree of one small document that arrives in pieces. Strict: anything not well-formed (with
 * namespaces), a document type, an entity other than the five of XML, or more than a bounded depth, number of
 * elements or of attributes throws `invalidArgument`. Nothing is ever expanded or fetched.
 */
export class XmlTreeParser {
  readonly #parser = new SaxesParser({ xmlns: true, position: false });
  readonly #open: OpenElement[] = [];
  #root: XmlElement | null = null;
  #elements = 0;
  #attributes = 0;

  constructor(elementsMax = elementsMaxDefault) {
    // Without a prototype: saxes looks names up in this object, and would find "constructor" in a plain one.
    const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
    this.#parser.ENTITIES = Object.assign(Object.create(null) as Record<string, string>, entities);
    this.#parser.on('doctype', () => refuse('a document type (DTD) is not allowed'));
    this.#parser.on('opentagstart', () => {
      this.#attributes = 0;
      if (++this.#elements > elementsMax) refuse(`more than ${elementsMax} elements`);
    });
    this.#parser.on('attribute', () => {
      if (++this.#attributes > attributesMax) refuse(`more than ${attributesMax} attributes on one element`);
    });
    this.#parser.on('opentag', (tag) => this.#opened(tag));
    this.#parser.on('closetag', () => this.#closed());
    this.#parser.on('text', (text) => this.#open.at(-1)?.children.push(text));
    this.#parser.on('cdata', (text) => this.#open.at(-1)?.children.push(text));
  }

  write(text: string): void {
    try {
      this.#parser.write(text);
    } catch (error) {
      if (error instanceof DriveError) throw error;
      refuse(error instanceof Error ? error.message : String(error), error);
    }
  }

  /** Ends the document and returns its root. */
  finish(): XmlElement {
    try {
      this.#parser.close();
    } catch (error) {
      refuse(error instanceof Error ? error.message : String(error), error);
    }
    return this.#root ?? refuse('there is no element');
  }

  #opened(tag: SaxesTagNS): void {
    if (this.#open.length >= depthMax) refuse(`elements nested deeper than ${depthMax}`);
    const element: OpenElement = { namespace: tag.uri, local: tag.local, attributes: attributesOf(tag), children: [] };
    this.#open.at(-1)?.children.push(element);
    this.#root ??= element;
    this.#open.push(element);
  }

  #closed(): void {
    this.#open.pop();
  }
}

function attributesOf(tag: SaxesTagNS): XmlAttribute[] {
  const attributes: XmlAttribute[] = [];
  for (const { uri, prefix, local, name, value } of Object.values(tag.attributes)) {
    if (prefix === 'xmlns' || name === 'xmlns') continue;
    attributes.push({ namespace: uri, local, value });
  }
  return attributes;
}

/** Parses a whole document, as `XmlTreeParser` does. */
export function parseXml(text: string, elementsMax = elementsMaxDefault): XmlElement {
  const parser = new XmlTreeParser(elementsMax);
  parser.write(text);
  return parser.finish();
}
