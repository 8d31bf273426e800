import { z } from 'zod';
import type { ChangeBatch } from '../changes.ts';
import { asDriveError, DriveError } from '../errors.ts';
import { limits } from '../limits.ts';
import { changeBatch } from './tree-schemas.ts';
import { fromWireError, toWireError, wireError } from './wire-error.ts';
import { decodeJson, encodeJson } from './wire-json.ts';
import type { WireError } from './wire-error.ts';
import type { WireSchema } from './wire-json.ts';

/**
 * One line of the changefeed's answer. The last line is `end` or `error`: a stream without it was cut, however cleanly
 * the connection closed.
 */
export type ChangeLine = { readonly batch: ChangeBatch } | { readonly end: true } | WireError;

export const changeLine: WireSchema<ChangeLine> = z.union([
  z.strictObject({ batch: changeBatch }),
  z.strictObject({ end: z.literal(true) }),
  wireError,
]);

/**
 * Writes the changefeed as lines, pulling a batch only when the last line was taken. A failure on the way becomes the
 * last line; `onError` learns of it, for the server's log.
 */
export async function* encodeChangeLines(
  batches: AsyncIterable<ChangeBatch>,
  onError: (error: DriveError) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const batch of batches) yield lineBytes({ batch });
    yield lineBytes({ end: true });
  } catch (error) {
    const driveError = asDriveError(error);
    onError(driveError);
    yield lineBytes(toWireError(driveError));
  }
}

function lineBytes(line: ChangeLine): Uint8Array {
  return Buffer.from(`${encodeJson(changeLine, line)}\n`);
}

/**
 * Reads what `encodeChangeLines` wrote, in whatever pieces it arrives. Throws the sender's error, `unavailable` if the
 * stream ends without its end line, and `invalidArgument` or `tooLarge` for what is no such stream.
 */
export async function* decodeChangeLines(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<ChangeBatch, void, undefined> {
  for await (const bytes of splitLines(source, limits.jsonBodyBytesMax)) {
    const content = decodeJson(changeLine, bytes);
    if ('end' in content) return;
    if ('error' in content) throw fromWireError(content);
    yield content.batch;
  }
  throw new DriveError('unavailable', 'the connection broke in the middle of the changefeed');
}

const newline = 0x0a;

/** The whole lines of `source` without their newlines; a last line without one is not whole. */
async function* splitLines(
  source: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let parts: Uint8Array[] = [];
  let partsBytes = 0;
  for await (const piece of source) {
    let rest = piece;
    for (let end = rest.indexOf(newline); end >= 0; end = rest.indexOf(newline)) {
      yield Buffer.concat([...parts, rest.subarray(0, end)]);
      parts = [];
      partsBytes = 0;
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 0) parts.push(rest);
    partsBytes += rest.length;
    if (partsBytes > lineBytesMax) throw new DriveError('tooLarge', `a line has more than ${lineBytesMax} bytes`);
  }
}
