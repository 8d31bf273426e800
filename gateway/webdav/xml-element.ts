import { escapeAttribute, escapeText } from './xml-text.ts';

export const davNamespace = 'DAV:';
const xmlNamespace = 'http://www.w3.org/XML/1998/namespace';

export interface XmlAttribute {
  readonly namespace: string;
  readonly local: string;
  readonly value: string;
}

/** An element with all prefixes resolved. Comments and processing instructions are not kept. */
export interface XmlElement {
  readonly namespace: string;
  readonly local: string;
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly (XmlElement | string)[];
}

/** The child elements named `local` in `DAV:`. */
export function davChildren(element: XmlElement, local: string): XmlElement[] {
  return childElements(element).filter((child) => isDav(child, local));
}

export function childElements(element: XmlElement): XmlElement[] {
  return element.children.filter((child) => typeof child !== 'string');
}

export function isDav(element: XmlElement, local: string): boolean {
  return element.namespace === davNamespace && element.local === local;
}

/** All text below `element`, joined. */
export function textOf(element: XmlElement): string {
  return element.children.map((child) => (typeof child === 'string' ? child : textOf(child))).join('');
}

/**
 * Writes an element so that it means the same wherever it is put: each element declares the namespaces it uses
 * itself.
 */
export function writeElement(element: XmlElement): string {
  let out = openTag(element);
  for (const child of element.children) out += typeof child === 'string' ? escapeText(child) : writeElement(child);
  return `${out}</${qualifiedName(element)}>`;
}

function qualifiedName(element: XmlElement): string {
  return element.namespace === '' ? element.local : `n:${element.local}`;
}

function openTag(element: XmlElement): string {
  const declaration = element.namespace === '' ? ' xmlns=""' : ` xmlns:n="${escapeAttribute(element.namespace)}"`;
  let tag = `<${qualifiedName(element)}${declaration}`;
  for (const [index, attribute] of element.attributes.entries()) tag += writeAttribute(attribute, index);
  return `${tag}>`;
}

function writeAttribute(attribute: XmlAttribute, index: number): string {
  const value = `"${escapeAttribute(attribute.value)}"`;
  if (attribute.namespace === '') return ` ${attribute.local}=${value}`;
  if (attribute.namespace === xmlNamespace) return ` xml:${attribute.local}=${value}`;
  return ` xmlns:a${index}="${escapeAttribute(attribute.namespace)}" a${index}:${attribute.local}=${value}`;
}

/** An element without content, such as a property's bare name in a 404 `propstat`. */
export function writeEmptyElement(name: { readonly namespace: string; readonly local: string }): string {
  if (name.namespace === davNamespace) return `<D:${name.local}/>`;
  return name.namespace === ''
    ? `<${name.local} xmlns=""/>`
    : `<n:${name.local} xmlns:n="${escapeAttribute(name.namespace)}"/>`;
}

/** The value of `xml:lang` in force on an element that has `attributes`, given the one around it. */
export function languageOf(attributes: readonly XmlAttribute[], around: string | null): string | null {
  const own = attributes.find((attribute) => attribute.namespace === xmlNamespace && attribute.local === 'lang');
  return own?.value ?? around;
}

export function languageAttribute(language: string): XmlAttribute {
  return { namespace: xmlNamespace, local: 'lang', value: language };
}
