/** Less than this is left to the garbage collector, which sees to small things well. */
const bytesMin = 16 * 1024;

/**
 * Frees the memory behind `bytes` at once. The garbage collector does not look at memory outside of V8's heap before tens of
 * megabytes of it have gathered, and at the rate of an upload that much is garbage at any time. To be called by the owner,
 * who knows that nobody reads or writes it any more: `bytes` is empty afterwards. Does nothing for memory that may
 * have other users: a part of a larger buffer, or what threads share.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes;
  if (byteLength < bytesMin || byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
  buffer.transfer(0);
}

/** The pieces of a stream that gives each piece away, for a consumer that has copied what it wants of one when it asks for the next. */
export async function* freeingPieces(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) {
    yield piece;
    freeBytes(piece);
  }
}
