import type { ManifestEntry } from '../protocol/manifest.ts';
import { Chunker } from './chunker.ts';
import { hashBlock } from './hash.ts';
import { defaultProfile } from './profile.ts';

/** A block cut from a stream, in memory of its own. */
export interface StreamedBlock extends ManifestEntry {
  readonly bytes: Uint8Array;
}

/**
 * Cuts a stream of bytes whose length need not be known, as `chunkFile` cuts a file without holes; the blocks in order make up the
 * manifest of `defaultProfile`. Holds one block and one piece at a time.
 */
export async function* chunkStream(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<StreamedBlock> {
  const chunker = new Chunker(defaultProfile);
  let parts: Uint8Array[] = [];
  for await (const piece of pieces) {
    let rest = piece;
    for (let cut = chunker.cut(rest); cut !== -1; cut = chunker.cut(rest)) {
      parts.push(rest.subarray(0, cut));
      yield blockOf(parts);
      parts = [];
      rest = rest.subarray(cut);
    }
    // The piece may be memory that its source uses again.
    if (rest.length > 0) parts.push(Uint8Array.from(rest));
  }
  if (chunker.finish() > 0) yield blockOf(parts);
}

function blockOf(parts: readonly Uint8Array[]): StreamedBlock {
  const bytes = Buffer.concat(parts);
  return { hash: hashBlock(bytes), length: bytes.length, bytes };
}
