import { isDriveError } from '../../../protocol/errors.ts';
import type { Lease } from '../../../protocol/leases.ts';
import { writeElement } from '../xml-element.ts';
import { parseXml } from '../xml-parser.ts';
import { escapeText } from '../xml-text.ts';

/** The content of `DAV:supportedlock` (RFC 4918 §15.10). */
export const supportedLock = ['exclusive', 'shared']
  .map(
    (scope) => `<D:lockentry><D:lockscope><D:${scope}/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>`,
  )
  .join('');

/** The content of `DAV:lockdiscovery` (RFC 4918 §15.8). */
export function lockDiscovery(leases: readonly Lease[], nowMs: number, hrefOf: (lease: Lease) => string): string {
  return leases.map((lease) => activeLock(lease, nowMs, hrefOf(lease))).join('');
}

function activeLock(lease: Lease, nowMs: number, href: string): string {
  const seconds = Math.max(0, Math.ceil((lease.expiresMs - nowMs) / 1000));
  return (
    `<D:activelock><D:lockscope><D:${lease.exclusive ? 'exclusive' : 'shared'}/></D:lockscope>` +
    `<D:locktype><D:write/></D:locktype><D:depth>${lease.deep ? 'infinity' : '0'}</D:depth>` +
    (lease.owner === '' ? '' : `<D:owner>${ownerContent(lease.owner)}</D:owner>`) +
    `<D:timeout>Second-${seconds}</D:timeout>` +
    `<D:locktoken><D:href>${escapeText(lease.token)}</D:href></D:locktoken>` +
    `<D:lockroot><D:href>${escapeText(href)}</D:href></D:lockroot></D:activelock>`
  );
}

/** An owner as this door stores it is a whole element; whatever else a lease holds is shown as text. */
function ownerContent(owner: string): string {
  if (!owner.startsWith('<')) return escapeText(owner);
  try {
    const { children } = parseXml(owner);
    return children.map((child) => (typeof child === 'string' ? escapeText(child) : writeElement(child))).join('');
  } catch (error) {
    if (isDriveError(error, 'invalidArgument')) return escapeText(owner);
    throw error;
  }
}
