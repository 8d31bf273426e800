import { DriveError, isDriveError } from '../../../protocol/errors.ts';
import type { InodeState } from '../../../protocol/inode-state.ts';
import { parseRange } from '../byte-range.ts';
import type { ByteRange } from '../byte-range.ts';
import { readContent } from '../content-reader.ts';
import { etagOf, matchesStrongly } from '../etag.ts';
import type { Exchange, Target } from '../exchange.ts';
import { writeIndex } from '../html-index.ts';
import { formatHttpDate, parseHttpDate, wholeSecondMs } from '../http-date.ts';
import { mediaTypeOf } from '../media-type.ts';
import { checkPreconditions } from '../preconditions.ts';
import { Refusal } from '../refusal.ts';
import { ResponseWriter } from '../../response-writer.ts';

/** GET and HEAD: a file's bytes or a range of them; of a collection a page that lists it. */
export async function get(exchange: Exchange): Promise<void> {
  const target = await exchange.target();
  if (target === null) {
    await writeIndex(exchange, null);
    return;
  }
  const { shown } = await target.tree.require(target.path);
  await checkPreconditions(exchange, target, shown);
  if (shown.kind === 'directory') await writeIndex(exchange, target);
  else await sendFile(exchange, target, shown);
}

async function sendFile(exchange: Exchange, target: Target, shown: InodeState): Promise<void> {
  const { response, request } = exchange;
  const range = rangeOf(exchange, shown);
  const { start, end } = range ?? { start: 0, end: shown.size };
  const headers = {
    ...fileHeaders(target, shown),
    'Content-Length': String(end - start),
    ...(range === null ? {} : { 'Content-Range': `bytes ${start}-${end - 1}/${shown.size}` }),
  };
  const status = range === null ? 200 : 206;
  if (request.method === 'HEAD' || start === end) {
    response.writeHead(status, headers);
    response.end();
    return;
  }
  await sendBytes(exchange, target, shown, { start, end }, () => response.writeHead(status, headers));
}

/** Sends the head once the first bytes are there, so that a failure before them is an answer of its own. */
async function sendBytes(
  exchange: Exchange,
  target: Target,
  shown: InodeState,
  range: ByteRange,
  sendHead: () => void,
): Promise<void> {
  const { tree } = target;
  const { inode, version } = shown;
  const manifest = await tree.metadata.manifest(tree.namespace.id, inode, version);
  const readable = { namespace: tree.namespace.id, inode, version, manifest };
  const writer = new ResponseWriter(exchange.response, exchange.signal);
  try {
    for await (const piece of readContent(
      exchange.blocks,
      readable,
      range,
      exchange.limits.downloadWindowBytes,
      exchange.signal,
    )) {
      if (!exchange.response.headersSent) sendHead();
      await writer.bytes(piece.bytes, piece.sent);
    }
  } catch (error) {
    // What is corrupt here is not what the client sent.
    if (!isDriveError(error, 'corrupt')) throw error;
    throw new DriveError('internal', `stored bytes of "/${target.path.join('/')}" are damaged`, { cause: error });
  }
  await writer.end();
}

function fileHeaders(target: Target, shown: InodeState): Record<string, string> {
  return {
    'Content-Type': mediaTypeOf(target.path.at(-1) ?? ''),
    'Last-Modified': formatHttpDate(shown.mtimeNs),
    ETag: etagOf(shown) ?? '',
    'Accept-Ranges': 'bytes',
    // A user's file must not act in the name of this server: no scripts, no guessing of types.
    'Content-Security-Policy': 'sandbox',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'private, no-cache',
  };
}

/** The range to send; `null` for all. `If-Range` with another version asks for all (RFC 9110 §13.1.5). */
function rangeOf(exchange: Exchange, shown: InodeState): ByteRange | null {
  const range = parseRange(exchange.header('range'), shown.size);
  if (range === null || exchange.request.method === 'HEAD' || !ifRangeHolds(exchange, shown)) return null;
  if (range === 'unsatisfiable') {
    throw new Refusal(416, `the file has ${shown.size} bytes`, {
      headers: { 'Content-Range': `bytes */${shown.size}` },
    });
  }
  return range;
}

function ifRangeHolds(exchange: Exchange, shown: InodeState): boolean {
  const header = exchange.header('if-range')?.trim();
  if (header === undefined) return true;
  if (header.endsWith('"')) return matchesStrongly(header, etagOf(shown) ?? '');
  return parseHttpDate(header) === wholeSecondMs(shown.mtimeNs);
}
