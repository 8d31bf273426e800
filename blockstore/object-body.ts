import { DriveError } from '../protocol/errors.ts';
import type { ObjectBody } from './object-store.ts';

/** The bytes of a body in pieces; throws `invalidArgument` if a stream gives more or fewer than it announced. */
export async function* bodyPieces(key: string, body: ObjectBody): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) {
    if (body.length > 0) yield body;
    return;
  }
  let given = 0;
  for await (const piece of body.open()) {
    given += piece.length;
    if (given > body.byteLength) throw wrongLength(key, body.byteLength, 'more');
    if (piece.length > 0) yield piece;
  }
  if (given < body.byteLength) throw wrongLength(key, body.byteLength, 'fewer');
}

function wrongLength(key: string, announced: number, found: 'more' | 'fewer'): DriveError {
  return new DriveError(
    'invalidArgument',
    `object ${key} was announced with ${announced} bytes and came with ${found}`,
  );
}

/** All bytes of a stream that is known to be small, in one piece; throws `tooLarge` beyond `bytesMax`. */
export async function collectPieces(pieces: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > bytesMax) throw new DriveError('tooLarge', `an object has more than the expected ${bytesMax} bytes`);
    parts.push(piece);
  }
  return Buffer.concat(parts, length);
}
