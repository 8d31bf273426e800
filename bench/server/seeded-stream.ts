import { createCipheriv } from 'node:crypto';
import { encodeBlock } from '../../blockstore/codec.ts';
import { chunkStream } from '../../blockstore/chunk-stream.ts';
import { defaultProfile } from '../../blockstore/profile.ts';
import type { BlockFrame } from '../../protocol/block-service.ts';
import type { Manifest, ManifestEntry } from '../../protocol/manifest.ts';

const pieceBytes = 256 * 1024;

/** What the bytes are like: without any order, or as compressible as source code (about 3 to 1). */
export type Texture = 'random' | 'text';

/** A stream of `byteLength` bytes that no two seeds share, in pieces, at a rate of gigabytes per second. */
export function* seededPieces(seed: number, byteLength: number, texture: Texture): Generator<Buffer> {
  const key = Buffer.alloc(32);
  key.writeUInt32LE(seed, 0);
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(pieceBytes);
  for (let left = byteLength; left > 0;) {
    const piece = cipher.update(zeros.subarray(0, Math.min(left, pieceBytes)));
    // Two of three runs of 24 bytes are one and the same.
    if (texture === 'text')
      for (let at = 0; at + 72 <= piece.length; at += 72) piece.fill('holdfast', at + 24, at + 72);
    left -= piece.length;
    yield piece;
  }
}

/** Cuts such a stream as the mount does and hands out its frames; `manifest` is whole once they have all been taken. */
export class SeededFrames {
  readonly #entries: ManifestEntry[] = [];
  readonly #seed: number;
  readonly #byteLength: number;
  readonly #texture: Texture;

  constructor(seed: number, byteLength: number, texture: Texture) {
    this.#seed = seed;
    this.#byteLength = byteLength;
    this.#texture = texture;
  }

  get manifest(): Manifest {
    return { profile: defaultProfile.name, entries: this.#entries };
  }

  async *frames(): AsyncGenerator<BlockFrame> {
    for await (const { hash, length, bytes } of chunkStream(asyncPieces(this))) {
      this.#entries.push({ hash, length });
      yield encodeBlock(hash, bytes);
    }
  }

  pieces(): Generator<Buffer> {
    return seededPieces(this.#seed, this.#byteLength, this.#texture);
  }
}

async function* asyncPieces(frames: SeededFrames): AsyncGenerator<Uint8Array> {
  yield* frames.pieces();
}
