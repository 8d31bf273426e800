import { Chunker } from '../../blockstore/chunker.ts';
import { HashedBlock } from '../../blockstore/codec.ts';
import { defaultProfile } from '../../blockstore/profile.ts';
import type { BlockFrame, BlockService } from '../../protocol/block-service.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { BlockHash, NamespaceId } from '../../protocol/ids.ts';
import { limits } from '../../protocol/limits.ts';
import type { Manifest, ManifestEntry } from '../../protocol/manifest.ts';
import { freeBytes } from '../../protocol/spent-memory.ts';

/**
 * Stores a stream of bytes as blocks and returns its manifest: chunk, ask which blocks the namespace lacks, put those.
 * When it resolves, all blocks are durable; no commit names them yet. Holds at most two windows of `windowBytes` (one
 * being stored, one being filled). If the stream ends in an error, so does this, and what was stored meanwhile is
 * named by nothing.
 */
export async function writeContent(
  blocks: BlockService,
  namespace: NamespaceId,
  bytes: AsyncIterable<Uint8Array>,
  windowBytes: number,
): Promise<Manifest> {
  const entries: ManifestEntry[] = [];
  let window = new Map<BlockHash, HashedBlock>();
  let held = 0;
  let storing: Promise<void> = Promise.resolve();
  try {
    for await (const plaintext of cutIntoBlocks(bytes)) {
      const block = new HashedBlock(plaintext);
      const { hash } = block;
      entries.push({ hash, length: plaintext.length });
      if (entries.length > limits.manifestEntriesMax) {
        throw new DriveError('tooLarge', `the file is too large: it has more than ${limits.manifestEntriesMax} blocks`);
      }
      if (!window.has(hash)) held += plaintext.length;
      window.set(hash, block);
      if (held < windowBytes) continue;
      await storing;
      storing = storeMissing(blocks, namespace, window);
      // Awaited before the next window and at the end; until then a failure is not unhandled.
      storing.catch(() => undefined);
      window = new Map();
      held = 0;
    }
  } finally {
    await storing;
  }
  if (window.size > 0) await storeMissing(blocks, namespace, window);
  return { profile: defaultProfile.name, entries };
}

async function storeMissing(
  blocks: BlockService,
  namespace: NamespaceId,
  window: ReadonlyMap<BlockHash, HashedBlock>,
): Promise<void> {
  const present = await blocks.have(namespace, [...window.keys()]);
  if (present.size < window.size) await blocks.put(namespace, missingFrames(window, present), freeBytes);
}

async function* missingFrames(
  window: ReadonlyMap<BlockHash, HashedBlock>,
  present: ReadonlySet<BlockHash>,
): AsyncGenerator<BlockFrame> {
  for (const [hash, block] of window) {
    if (!present.has(hash)) yield block.encode();
  }
}

/** Each block's plaintext, in memory of its own. */
async function* cutIntoBlocks(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunker = new Chunker(defaultProfile);
  let pending: Uint8Array[] = [];
  for await (const piece of bytes) {
    let rest = piece;
    for (let end = chunker.cut(rest); end !== -1; end = chunker.cut(rest)) {
      yield Buffer.concat([...pending, rest.subarray(0, end)]);
      pending = [];
      rest = rest.subarray(end);
    }
    if (rest.length > 0) pending.push(rest);
  }
  if (chunker.finish() > 0) yield Buffer.concat(pending);
}
