import { decodeBlock } from '../../blockstore/codec.ts';
import type { BlockService } from '../../protocol/block-service.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { BlockHash, InodeId, NamespaceId, Version } from '../../protocol/ids.ts';
import { limits } from '../../protocol/limits.ts';
import { isHole } from '../../protocol/manifest.ts';
import type { Manifest, ManifestEntry } from '../../protocol/manifest.ts';
import { freeBytes } from '../../protocol/spent-memory.ts';
import type { ByteRange } from './byte-range.ts';

/** Which version of which file is read, and what its bytes are. */
export interface ReadableVersion {
  readonly namespace: NamespaceId;
  readonly inode: InodeId;
  readonly version: Version;
  readonly manifest: Manifest;
}

/** The part of a manifest's entry that is wanted: bytes `[from, to)` of it. */
interface Stretch {
  readonly entry: ManifestEntry;
  readonly from: number;
  readonly to: number;
}

/** A block of a window, and by how many of its stretches it is still wanted. */
interface FetchedBlock {
  readonly bytes: Uint8Array;
  wanted: number;
}

/** A run of a file's bytes. `sent` is to be called once nobody looks at them any more; the memory behind them may be gone then. */
export interface ContentPiece {
  readonly bytes: Uint8Array;
  readonly sent: () => void;
}

const holePiece = new Uint8Array(256 * 1024);

/**
 * The bytes of `range`, in order, in pieces of at most a block. Only the blocks that the range touches are fetched,
 * a window of about `windowBytes` at a time, the next one while the present one is consumed. Stops when the
 * consumer does or `signal` aborts.
 */
export async function* readContent(
  blocks: BlockService,
  version: ReadableVersion,
  range: ByteRange,
  windowBytes: number,
  signal: AbortSignal,
): AsyncGenerator<ContentPiece> {
  const windows = windowsOf(version.manifest, range, windowBytes);
  const fetch = async (window: readonly Stretch[]) => fetchWindow(blocks, version, window, signal);
  const first = windows.next();
  if (first.done === true) return;
  let ahead = { window: first.value, fetched: fetch(first.value) };
  for (;;) {
    const { window, fetched } = ahead;
    const contents = await fetched;
    const next = windows.next();
    if (next.done !== true) {
      ahead = { window: next.value, fetched: fetch(next.value) };
      // If the consumer stops before it gets there, a failure of the read-ahead concerns nobody.
      ahead.fetched.catch(() => undefined);
    }
    for (const stretch of window) yield* piecesOf(stretch, contents);
    if (next.done === true) return;
  }
}

/** Cuts what `range` touches into runs of stretches; a hole of any size counts nothing, for it takes no memory. */
function* windowsOf(manifest: Manifest, range: ByteRange, windowBytes: number): Generator<Stretch[]> {
  let window: Stretch[] = [];
  let held = 0;
  let start = 0;
  for (const entry of manifest.entries) {
    const from = Math.max(0, range.start - start);
    const to = Math.min(entry.length, range.end - start);
    start += entry.length;
    if (from >= to) continue;
    window.push({ entry, from, to });
    if (!isHole(entry)) held += entry.length;
    if (held >= windowBytes || window.length >= limits.getBlocksHashesMax) {
      yield window;
      window = [];
      held = 0;
    }
  }
  if (window.length > 0) yield window;
}

async function fetchWindow(
  blocks: BlockService,
  { namespace, inode, version }: ReadableVersion,
  window: readonly Stretch[],
  signal: AbortSignal,
): Promise<ReadonlyMap<BlockHash, FetchedBlock>> {
  const stretches = Map.groupBy(
    window.filter(({ entry }) => !isHole(entry)),
    ({ entry }) => entry.hash,
  );
  const contents = new Map<BlockHash, FetchedBlock>();
  if (stretches.size === 0) return contents;
  for await (const frame of blocks.get(namespace, { inode, version, hashes: [...stretches.keys()] }, signal)) {
    contents.set(frame.hash, { bytes: decodeBlock(frame), wanted: stretches.get(frame.hash)?.length ?? 0 });
    if (frame.encoding === 'zstd') freeBytes(frame.bytes);
  }
  return contents;
}

function* piecesOf(
  { entry, from, to }: Stretch,
  contents: ReadonlyMap<BlockHash, FetchedBlock>,
): Generator<ContentPiece> {
  if (!isHole(entry)) {
    const block = contents.get(entry.hash);
    if (block?.bytes.length !== entry.length) {
      throw new DriveError('internal', `the block service did not give block ${entry.hash}`);
    }
    const sent = () => {
      block.wanted -= 1;
      if (block.wanted === 0) freeBytes(block.bytes);
    };
    yield { bytes: block.bytes.subarray(from, to), sent };
    return;
  }
  for (let rest = to - from; rest > 0; rest -= holePiece.length) {
    yield { bytes: holePiece.subarray(0, Math.min(rest, holePiece.length)), sent: () => undefined };
  }
}
