import { isDriveError } from '../../../protocol/errors.ts';
import type { Xattrs } from '../../../protocol/inode-state.ts';
import { limits } from '../../../protocol/limits.ts';
import { writeElement } from '../xml-element.ts';
import type { XmlElement } from '../xml-element.ts';
import { parseXml } from '../xml-parser.ts';
import type { PropertyName } from './property-name.ts';

/**
 * Dead properties are kept as extended attributes, so that they travel with the file and a mount sees them: property
 * `colour` of namespace `http://example.org/` is the attribute `user.dav.{http://example.org/}colour`, and its value is
 * the whole element as XML.
 */
const xattrPrefix = 'user.dav.';

const xattrPattern = /^user\.dav\.\{([^}]*)\}([^}]+)$/;

/** The attribute that keeps a property, or `null` if the property's name is too long for one. */
export function xattrNameOf({ namespace, local }: PropertyName): string | null {
  const name = `${xattrPrefix}{${namespace.replaceAll('%', '%25').replaceAll('}', '%7D')}}${local}`;
  return Buffer.byteLength(name) > limits.xattrNameBytesMax ? null : name;
}

/** The attribute's value for a property that a client sets, or `null` if it is too long for one. */
export function xattrValueOf(element: XmlElement): Uint8Array | null {
  const value = Buffer.from(writeElement(element));
  return value.length > limits.xattrValueBytesMax ? null : value;
}

/** The names of the dead properties among `xattrs`. */
export function deadPropertyNames(xattrs: Xattrs): PropertyName[] {
  const names: PropertyName[] = [];
  for (const [key, value] of xattrs) {
    const match = xattrPattern.exec(key);
    if (match === null) continue;
    const namespace = (match[1] ?? '').replaceAll('%7D', '}').replaceAll('%25', '%');
    const name = { namespace, local: match[2] ?? '' };
    if (readElement(value, name) !== null) names.push(name);
  }
  return names;
}

/** The element of one dead property, or `null` if there is none of that name. */
export function deadProperty(xattrs: Xattrs, name: PropertyName): string | null {
  const key = xattrs.size === 0 ? null : xattrNameOf(name);
  const value = key === null ? undefined : xattrs.get(key);
  const element = value === undefined ? null : readElement(value, name);
  return element === null ? null : writeElement(element);
}

/** Anybody on a mount can set these attributes to anything; what is not the property's own XML does not count as one. */
function readElement(value: Uint8Array, name: PropertyName): XmlElement | null {
  try {
    const element = parseXml(Buffer.from(value).toString());
    return element.namespace === name.namespace && element.local === name.local ? element : null;
  } catch (error) {
    if (isDriveError(error, 'invalidArgument')) return null;
    throw error;
  }
}
