import type { InodeId } from '../../../protocol/ids.ts';
import type { InodeState } from '../../../protocol/inode-state.ts';
import type { NamespaceInfo } from '../../../protocol/metadata.ts';
import { etagOf } from '../etag.ts';
import { formatHttpDate } from '../http-date.ts';
import { mediaTypeOf } from '../media-type.ts';
import { davNamespace } from '../xml-element.ts';
import { escapeText } from '../xml-text.ts';
import { supportedLock } from './lock-properties.ts';
import type { PropertyName } from './property-name.ts';

/** What the properties of one resource are computed from. */
export interface Subject {
  readonly name: string;
  readonly shown: InodeState;
  readonly namespace: NamespaceInfo;
  /** The content of `DAV:lockdiscovery`. */
  readonly lockDiscovery: string;
}

type LiveProperty = (subject: Subject) => string | null;

/**
 * The properties that the server computes (RFC 4918 §15, RFC 4331), as the XML inside of each; `null` where the resource
 * does not have it. None can be set directly; see `settable-time.ts` for how a client sets the time of a file.
 */
const liveProperties: ReadonlyMap<string, LiveProperty> = new Map<string, LiveProperty>([
  ['creationdate', ({ shown }) => new Date(createdMsOf(shown.inode)).toISOString()],
  ['displayname', ({ name }) => escapeText(name)],
  ['getcontentlength', ({ shown }) => (shown.kind === 'file' ? String(shown.size) : null)],
  ['getcontenttype', ({ name, shown }) => (shown.kind === 'file' ? escapeText(mediaTypeOf(name)) : null)],
  ['getetag', ({ shown }) => etagOf(shown)],
  ['getlastmodified', ({ shown }) => formatHttpDate(shown.mtimeNs)],
  ['lockdiscovery', ({ lockDiscovery }) => lockDiscovery],
  ['resourcetype', ({ shown }) => (shown.kind === 'directory' ? '<D:collection/>' : '')],
  ['supportedlock', () => supportedLock],
  ['quota-available-bytes', ({ shown, namespace }) => (shown.kind === 'directory' ? availableBytes(namespace) : null)],
  ['quota-used-bytes', ({ shown, namespace }) => (shown.kind === 'directory' ? String(namespace.usedBytes) : null)],
]);

/** RFC 4331 §2: these are told only to who asks for them by name. */
const onlyByName = new Set(['quota-available-bytes', 'quota-used-bytes']);

export function isLiveProperty({ namespace, local }: PropertyName): boolean {
  return namespace === davNamespace && liveProperties.has(local);
}

/** The element of one live property, or `null` if there is none of that name here. */
export function liveProperty(subject: Subject, { namespace, local }: PropertyName): string | null {
  const content = namespace === davNamespace ? (liveProperties.get(local)?.(subject) ?? null) : null;
  if (content === null) return null;
  return content === '' ? `<D:${local}/>` : `<D:${local}>${content}</D:${local}>`;
}

/** The names of the live properties that `allprop` and `propname` tell of. */
export const commonLiveProperties: readonly PropertyName[] = [...liveProperties.keys()]
  .filter((local) => !onlyByName.has(local))
  .map((local) => ({ namespace: davNamespace, local }));

/** An id starts with the millisecond in which it was made (protocol/ids.ts). */
function createdMsOf(inode: InodeId): number {
  return Number.parseInt(inode.slice(0, 12), 16);
}

function availableBytes({ quotaBytes, usedBytes }: NamespaceInfo): string | null {
  return quotaBytes === null ? null : String(Math.max(0, quotaBytes - usedBytes));
}
