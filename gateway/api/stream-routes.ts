import { isDriveError, type DriveError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { freeBytes, freeingPieces } from '../../protocol/spent-memory.ts';
import { decodeBlockFrames, encodeBlockFramesOrError, framesPerRequestMax } from '../../protocol/wire/block-frames.ts';
import { encodeChangeLines } from '../../protocol/wire/change-lines.ts';
import { streamEndpoints } from '../../protocol/wire/endpoints.ts';
import { decodeJson, encodeJson } from '../../protocol/wire/wire-json.ts';
import { framesContentType, linesContentType } from '../../protocol/wire/wire-version.ts';
import { answerJson } from '../http-answer.ts';
import { ResponseWriter } from '../response-writer.ts';
import type { NamespaceCall } from './api-call.ts';

/** The changefeed, a line a batch; the next batch is read from the database when the client has taken the last. */
export async function answerChanges(call: NamespaceCall): Promise<void> {
  const { changes } = streamEndpoints;
  const { after, upTo, mark } = await call.bodies.buffered(
    call.request,
    call.response,
    changes.bodyBytesMax,
    async (body) => decodeJson(changes.request, body),
  );
  // What is refused is refused before the answer begins.
  await call.metadata.namespace(call.namespace);
  const batches = call.metadata.changes(call.namespace, after, upTo, mark);
  await answerStream(call, linesContentType, encodeChangeLines(batches, logFailure(call)));
}

/** Stores blocks. The role is checked before the body is asked for, so a refused client need not send it. */
export async function answerPutBlocks(call: NamespaceCall): Promise<void> {
  const body = call.bodies.stream(call.request, call.response, limits.putBlocksBytesMax);
  const frames = decodeBlockFrames(freeingPieces(body), {
    bytesMax: limits.putBlocksBytesMax,
    framesMax: framesPerRequestMax,
    truncatedCode: 'invalidArgument',
  });
  const result = await call.blocks.put(call.namespace, frames, freeBytes);
  answerJson(call.response, 200, encodeJson(streamEndpoints.putBlocks.response, result));
}

/** Sends blocks, as fast as the client takes them. */
export async function answerGetBlocks(call: NamespaceCall): Promise<void> {
  const { getBlocks } = streamEndpoints;
  const request = await call.bodies.buffered(call.request, call.response, getBlocks.bodyBytesMax, async (body) =>
    decodeJson(getBlocks.request, body),
  );
  const hashes = await call.blocks.authorizeGet(call.namespace, request);
  const frames = call.blocks.getAuthorized(hashes, call.signal);
  await answerStream(call, framesContentType, encodeBlockFramesOrError(frames, logFailure(call)), freeBytes);
}

/** Sends an answer piece by piece, the next one asked for when the client takes more. `sent` hears of each piece that is gone. */
async function answerStream(
  { response, signal }: NamespaceCall,
  contentType: string,
  pieces: AsyncIterable<Uint8Array>,
  sent?: (piece: Uint8Array) => void,
): Promise<void> {
  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
  const writer = new ResponseWriter(response, signal);
  for await (const piece of pieces) await writer.bytes(piece, sent);
  await writer.end();
}

/** Once the status is sent, a failure shows in the stream's last piece and here. */
function logFailure({ logger }: NamespaceCall): (error: DriveError) => void {
  return (error) => {
    if (isDriveError(error, 'cancelled')) return;
    logger.error({ err: error }, 'an answer broke off');
  };
}
