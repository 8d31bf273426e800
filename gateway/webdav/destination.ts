import { DriveError } from '../../protocol/errors.ts';
import type { Exchange, Target } from './exchange.ts';
import { Refusal } from './refusal.ts';

/**
 * The target of COPY and MOVE (RFC 4918 §10.3): a path, or a URL of the host that the request was sent to. Throws 502 for
 * another server, 403 for the list of namespaces, `invalidArgument` if absent or malformed.
 */
export async function parseDestination(exchange: Exchange): Promise<Target> {
  const header = exchange.header('destination')?.trim();
  if (header === undefined || header === '') {
    throw new DriveError('invalidArgument', 'COPY and MOVE need a Destination header');
  }
  if (!isOwnHost(exchange, header)) throw new Refusal(502, `the Destination is on another server: ${header}`);
  let target: Target | null;
  try {
    target = await exchange.target(header);
  } catch (error) {
    if (!(error instanceof DriveError) || error.code !== 'notFound') throw error;
    throw new Refusal(409, `the Destination is not in a namespace of yours: ${header}`);
  }
  if (target === null || target.path.length === 0) throw new Refusal(403, 'a namespace cannot be replaced');
  return target;
}

/** Whether a URL reference is a path, or names the host that the request was sent to. The scheme may differ: a proxy may end TLS. */
export function isOwnHost(exchange: Exchange, reference: string): boolean {
  if (reference.startsWith('/')) return !reference.startsWith('//');
  const match = /^https?:\/\/([^/?#]*)/i.exec(reference);
  const host = exchange.header('host');
  return match !== null && host !== undefined && hostOf(match[1] ?? '') === hostOf(host);
}

function hostOf(authority: string): string {
  return authority
    .replace(/^.*@/, '')
    .replace(/:(80|443)$/, '')
    .toLowerCase();
}

/** Whether an `Overwrite` header allows to replace what is at the destination; absent means yes (RFC 4918 §10.6). */
export function mayOverwrite(exchange: Exchange): boolean {
  const header = exchange.header('overwrite')?.trim().toUpperCase() ?? 'T';
  if (header !== 'T' && header !== 'F') throw new DriveError('invalidArgument', 'Overwrite is neither "T" nor "F"');
  return header === 'T';
}
