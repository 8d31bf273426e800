import { davNamespace, textOf } from '../xml-element.ts';
import type { XmlElement } from '../xml-element.ts';
import type { PropertyName } from './property-name.ts';

/**
 * Properties by which clients set a file's modification time:
 * `DAV:getlastmodified` (an HTTP date, by davfs2 and others), `DAV:lastmodified` (Unix seconds, by rclone) and
 * `Win32LastModifiedTime` (an HTTP date, by Windows Explorer after each upload).
 */
export function setsTime({ namespace, local }: PropertyName): boolean {
  if (namespace === davNamespace) return local === 'getlastmodified' || local === 'lastmodified';
  return namespace === 'urn:schemas-microsoft-com:' && local === 'Win32LastModifiedTime';
}

/** The time that such a property's value names, or `null` if it names none. */
export function timeNsOf(element: XmlElement): bigint | null {
  const text = textOf(element).trim();
  const seconds = parseUnixSeconds(text);
  if (seconds !== null) return seconds;
  const ms = text === '' ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? null : BigInt(ms) * 1_000_000n;
}

/** Seconds since the epoch, with or without a fraction (also the form of `X-OC-Mtime`), in nanoseconds; `null` if it is none. */
export function parseUnixSeconds(text: string): bigint | null {
  const match = /^(-?)(\d{1,11})(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (match === null) return null;
  const [, sign = '', whole = '', fraction = ''] = match;
  const ns = BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  return sign === '-' ? -ns : ns;
}
