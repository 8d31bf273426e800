import { DriveError } from '../protocol/errors.ts';

/** What an `Authorization` header shows (RFC 9110 §11.6.2). */
export type Credentials =
  | { readonly scheme: 'bearer'; readonly token: string }
  | { readonly scheme: 'basic'; readonly user: string; readonly password: string };

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads the header; throws `unauthenticated` if it is missing or malformed, without repeating any of it. */
export function parseCredentials(header: string | undefined): Credentials {
  if (header === undefined) throw new DriveError('unauthenticated', 'log in first: no credentials were sent');
  const match = /^(bearer|basic) +([A-Za-z0-9._~+/-]+=*) *$/i.exec(header);
  const value = match?.[2];
  if (value === undefined) throw new DriveError('unauthenticated', 'the Authorization header is not understood');
  return match?.[1]?.toLowerCase() === 'bearer' ? { scheme: 'bearer', token: value } : parseBasic(value);
}

/** The user name ends at the first colon (RFC 7617 §2). */
function parseBasic(value: string): Credentials {
  const text = decodeUtf8(Buffer.from(value, 'base64'));
  const colon = text?.indexOf(':') ?? -1;
  if (text === undefined || colon < 1) {
    throw new DriveError('unauthenticated', 'the Authorization header is not understood');
  }
  return { scheme: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
