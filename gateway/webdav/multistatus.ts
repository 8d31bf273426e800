import type { PropertyName } from './properties/property-name.ts';
import { writeEmptyElement } from './xml-element.ts';
import { escapeText } from './xml-text.ts';

export const xmlContentType = 'application/xml; charset=utf-8';
export const multistatusStart = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">';
export const multistatusEnd = '</D:multistatus>\n';

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  424: 'Failed Dependency',
  507: 'Insufficient Storage',
};

/** Properties of one resource that share a status (RFC 4918 §14.22), already as XML. */
export function propstat(status: number, properties: readonly string[], condition?: string): string {
  if (properties.length === 0) return '';
  const error = condition === undefined ? '' : `<D:error><D:${condition}/></D:error>`;
  const line = `HTTP/1.1 ${status} ${reasons[status] ?? ''}`.trimEnd();
  return `<D:propstat><D:prop>${properties.join('')}</D:prop><D:status>${line}</D:status>${error}</D:propstat>`;
}

/** The answer about one resource. A `propstat` is there even if nothing was asked for, as the grammar wants one. */
export function responseElement(href: string, propstats: string): string {
  const content =
    propstats === '' ? '<D:propstat><D:prop/><D:status>HTTP/1.1 200 OK</D:status></D:propstat>' : propstats;
  return `<D:response><D:href>${escapeText(href)}</D:href>${content}</D:response>`;
}

export function bareNames(names: readonly PropertyName[]): string[] {
  return names.map(writeEmptyElement);
}
