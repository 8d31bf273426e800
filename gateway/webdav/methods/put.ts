import { DriveError } from '../../../protocol/errors.ts';
import type { Cursor, InodeId } from '../../../protocol/ids.ts';
import { manifestSize } from '../../../protocol/manifest.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import { writeContent } from '../content-writer.ts';
import type { Exchange, Target } from '../exchange.ts';
import { requireUnlocked, withParent } from '../lock-guard.ts';
import { checkPreconditions } from '../preconditions.ts';
import { parseUnixSeconds } from '../properties/settable-time.ts';
import { Refusal } from '../refusal.ts';
import { commitAll, createOperation, untilCommitted } from '../tree-commit.ts';
import type { Location } from '../tree-view.ts';

/**
 * PUT (RFC 9110 §9.3.4): the body is stored as blocks while it arrives, and one commit makes it the file's content.
 * Until then nothing is changed, so an upload that breaks off leaves the old file as it was.
 */
export async function put(exchange: Exchange): Promise<void> {
  const target = await exchange.treeTarget();
  refuseUnsupported(exchange, target);
  const mtimeNs = requestedTime(exchange);
  const { tree } = target;
  // Everything that can be refused is refused before the body is read, and looked at again when it is there.
  const before = await writableLocation(exchange, target);
  checkQuota(exchange, target, before);
  const body = exchange.announcesBody ? exchange.body() : noBytes();
  const manifest = await writeContent(exchange.blocks, tree.namespace.id, body, exchange.limits.uploadWindowBytes);
  checkLength(exchange, manifest);
  const stored = await untilCommitted(exchange, async () =>
    commitContent(exchange, target, await writableLocation(exchange, target), manifest, mtimeNs),
  );
  exchange.finish(stored.created ? 201 : 204, {
    ETag: `"${stored.inode}-${stored.version}"`,
    ...(mtimeNs === null ? {} : { 'X-OC-MTime': 'accepted' }),
  });
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

function refuseUnsupported(exchange: Exchange, { path, trailingSlash }: Target): void {
  if (exchange.header('content-range') !== undefined) {
    throw new DriveError(
      'invalidArgument',
      'a part of a file cannot be uploaded: send the whole without Content-Range',
    );
  }
  if (exchange.header('content-encoding') !== undefined) {
    throw new Refusal(415, 'an upload cannot have a Content-Encoding: send the bytes as they are');
  }
  if (path.length === 0 || trailingSlash) throw new Refusal(405, 'a collection has no content: to make one, use MKCOL');
}

/** The modification time that a client wishes by `X-OC-Mtime` (as ownCloud's do), in Unix seconds. */
function requestedTime(exchange: Exchange): bigint | null {
  const header = exchange.header('x-oc-mtime');
  if (header === undefined) return null;
  const timeNs = parseUnixSeconds(header.trim());
  if (timeNs === null) throw new DriveError('invalidArgument', 'X-OC-Mtime is not a time in Unix seconds');
  return timeNs;
}

async function writableLocation(exchange: Exchange, target: Target): Promise<Location> {
  const { tree, path } = target;
  const shownPath = `/${path.join('/')}`;
  const location = await tree.locate(path);
  const tokens = await checkPreconditions(exchange, target, location?.shown ?? null);
  if (location === null)
    throw new DriveError('conflict', `the collection that is to hold "${shownPath}" does not exist`);
  if (location.shown?.kind === 'directory') throw new Refusal(405, `"${shownPath}" is a collection`);
  if (location.shown === null && location.entry !== null) {
    throw new DriveError(
      'exists',
      `"${shownPath}" is taken by a link that leads nowhere or a special file: remove it first`,
    );
  }
  const created = location.shown === null;
  await requireUnlocked(exchange, created ? withParent(target, path, false) : [{ target, path, below: false }], tokens);
  return location;
}

/** Spares a client the upload of what cannot fit. What really counts is checked by the commit. */
function checkQuota(exchange: Exchange, { tree }: Target, { shown }: Location): void {
  const { quotaBytes, usedBytes } = tree.namespace;
  const length = Number(exchange.header('content-length') ?? 0);
  if (quotaBytes === null || usedBytes - (shown?.size ?? 0) + length <= quotaBytes) return;
  throw new DriveError(
    'quotaExceeded',
    `"${tree.namespace.name}" has no room for ${length} more bytes: free some space`,
  );
}

function checkLength(exchange: Exchange, manifest: Manifest): void {
  const announced = exchange.header('content-length');
  if (announced === undefined || Number(announced) === manifestSize(manifest)) return;
  throw new DriveError('invalidArgument', `the upload broke off before its ${announced} bytes; nothing was changed`);
}

/** Which version the content became. */
interface Stored {
  readonly created: boolean;
  readonly inode: InodeId;
  readonly version: Cursor;
}

async function commitContent(
  exchange: Exchange,
  { tree }: Target,
  { shown, place }: Location,
  manifest: Manifest,
  requestedNs: bigint | null,
): Promise<Stored> {
  const nowNs = exchange.dependencies.clock.nowNs();
  const mtimeNs = requestedNs ?? nowNs;
  if (shown !== null) {
    const { inode, version: base } = shown;
    const version = await commitAll(exchange, tree, [
      { type: 'content', inode, base, manifest, mtimeNs, ctimeNs: nowNs },
    ]);
    return { created: false, inode, version };
  }
  if (place === null) throw new DriveError('internal', 'a namespace root has no place and cannot be uploaded to');
  const operation = createOperation(exchange, place, { kind: 'file', manifest, mtimeNs });
  return { created: true, inode: operation.inode, version: await commitAll(exchange, tree, [operation]) };
}
