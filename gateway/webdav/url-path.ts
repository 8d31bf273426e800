import { DriveError } from '../../protocol/errors.ts';
import { checkName } from '../../protocol/names.ts';

/** The path of a URL below the gateway's prefix, decoded into names. */
export interface UrlPath {
  readonly segments: readonly string[];
  /** The URL ended in "/", which is how a client says that it means a collection. */
  readonly trailingSlash: boolean;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes the path of a request target (RFC 9112 §3.2: origin-form or absolute-form) or of another URL of this
 * server. Repeated slashes count as one; a query is ignored. Throws `invalidArgument` for broken percent-encoding,
 * invalid UTF-8 or a fragment, `invalidName` for ".", "..", NUL and an encoded "/", `nameTooLong`, and `notFound`
 * for a path outside of `prefix`.
 */
export function parseUrlPath(target: string, prefix: string): UrlPath {
  if (target.includes('#'))
    throw new DriveError('invalidArgument', 'a request cannot name a fragment ("#…") of a file');
  const path = pathOf(target);
  if (path !== prefix && !path.startsWith(`${prefix}/`)) {
    throw new DriveError('notFound', `there is nothing outside of ${prefix}/`);
  }
  const parts = path.slice(prefix.length).split('/');
  const segments: string[] = [];
  for (const part of parts) {
    if (part === '') continue;
    const name = decodeSegment(part);
    checkName(name);
    segments.push(name);
  }
  return { segments, trailingSlash: path.endsWith('/') };
}

function pathOf(target: string): string {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i.exec(target);
  const local = absolute === null ? target : target.slice(absolute[0].length);
  const query = local.indexOf('?');
  return query === -1 ? local : local.slice(0, query);
}

/** Undoes percent-encoding and UTF-8, strictly. Node hands over raw bytes beyond ASCII as Latin-1; they are taken as UTF-8. */
function decodeSegment(part: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < part.length; at++) {
    const code = part.charCodeAt(at);
    if (code > 0xff)
      throw new DriveError('invalidArgument', `the URL holds a character that is not encoded: "${part}"`);
    if (code !== 0x25) {
      bytes.push(code);
      continue;
    }
    const digits = part.slice(at + 1, at + 3);
    if (!/^[0-9a-f]{2}$/i.test(digits)) {
      throw new DriveError('invalidArgument', `"%${digits}" in the URL is not a percent-encoded byte`);
    }
    bytes.push(Number.parseInt(digits, 16));
    at += 2;
  }
  try {
    return strictUtf8.decode(Uint8Array.from(bytes));
  } catch (error) {
    throw new DriveError('invalidArgument', 'a name in the URL is not valid UTF-8', { cause: error });
  }
}

/** The URL path of `segments`, percent-encoded; of a collection with its trailing slash (RFC 4918 §5.2). */
export function formatUrlPath(prefix: string, segments: readonly string[], collection: boolean): string {
  let path = prefix;
  for (const segment of segments) path += `/${encodeSegment(segment)}`;
  return collection ? `${path}/` : path;
}

/** One name as a segment of a URL. Also encodes what `encodeURIComponent` leaves and XML or HTML would mind. */
export function encodeSegment(name: string): string {
  return encodeURIComponent(name).replaceAll(/['!*()]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}
