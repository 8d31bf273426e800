import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DriveError, isDriveError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { decodeBlockFrames, encodeBlockFramesOrError, framesPerRequestMax } from '../../protocol/wire/block-frames.ts';
import { encodeChangeLines } from '../../protocol/wire/change-lines.ts';
import { streamEndpoints } from '../../protocol/wire/endpoints.ts';
import { decodeJson, encodeJson } from '../../protocol/wire/wire-json.ts';
import { framesContentType, linesContentType } from '../../protocol/wire/wire-version.ts';
import { answerJson } from '../http-answer.ts';
import type { NamespaceCall } from './api-call.ts';

/** Produced ahead of a slow client, at most. */
const aheadBytes = 256 * 1024;

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
  const frames = decodeBlockFrames(body, {
    bytesMax: limits.putBlocksBytesMax,
    framesMax: framesPerRequestMax,
    truncatedCode: 'invalidArgument',
  });
  const result = await call.blocks.put(call.namespace, frames);
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
  await answerStream(call, framesContentType, encodeBlockFramesOrError(frames, logFailure(call)));
}

async function answerStream(
  { response, signal }: NamespaceCall,
  contentType: string,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
  try {
    await pipeline(Readable.from(pieces, { objectMode: false, highWaterMark: aheadBytes }), response);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new DriveError('cancelled', 'the client went away in the middle of the answer', { cause: error });
  }
}

/** Once the status is sent, a failure shows in the stream's last piece and here. */
function logFailure({ logger }: NamespaceCall): (error: DriveError) => void {
  return (error) => {
    if (isDriveError(error, 'cancelled')) return;
    logger.error({ err: error }, 'an answer broke off');
  };
}
