import type { LocatedBlock, PackRecord } from '../protocol/block-index.ts';
import type { BlockHash } from '../protocol/ids.ts';

/** Blocks of one pack that one ranged read fetches, in the order they lie there. */
export interface ReadSpan {
  readonly record: PackRecord;
  readonly offset: number;
  readonly length: number;
  readonly blocks: readonly SpanBlock[];
}

export interface SpanBlock {
  readonly hash: BlockHash;
  readonly location: LocatedBlock;
}

/** Bytes that nobody asked for and that are read rather than asked around: what a request costs in transfer time. */
const gapBytesMax = 128 * 1024;

/** No read is longer, so that several can be under way in bounded memory and a broken one repeats little. */
const spanBytesMax = 4 * 1024 * 1024;

/**
 * Groups blocks, given in the order they are wanted, into ranged reads: neighbours in a pack share one if the gap between
 * them is small. Reads come in the order of the first wanted block of each.
 */
export function planReads(wanted: readonly SpanBlock[]): ReadSpan[] {
  const rank = new Map(wanted.map((block, index) => [block.hash, index]));
  const rankOf = (block: SpanBlock) => rank.get(block.hash) ?? 0;
  const spans: { readonly span: ReadSpan; readonly rank: number }[] = [];
  for (const blocks of byPack(wanted).values()) {
    blocks.sort((a, b) => a.location.offset - b.location.offset);
    for (const run of neighbours(blocks)) {
      spans.push({ span: spanOf(run), rank: Math.min(...run.map(rankOf)) });
    }
  }
  return spans.sort((a, b) => a.rank - b.rank).map(({ span }) => span);
}

function byPack(wanted: readonly SpanBlock[]): Map<string, SpanBlock[]> {
  const packs = new Map<string, SpanBlock[]>();
  for (const block of wanted) {
    const blocks = packs.get(block.location.pack);
    if (blocks === undefined) packs.set(block.location.pack, [block]);
    else blocks.push(block);
  }
  return packs;
}

/** Cuts blocks sorted by offset wherever the gap or the whole would be too long. */
function neighbours(blocks: readonly SpanBlock[]): SpanBlock[][] {
  const runs: SpanBlock[][] = [];
  let start = 0;
  let end = 0;
  for (const block of blocks) {
    const { offset, storedLength } = block.location;
    const run = runs.at(-1);
    if (run !== undefined && offset - end <= gapBytesMax && offset + storedLength - start <= spanBytesMax) {
      run.push(block);
    } else {
      runs.push([block]);
      start = offset;
    }
    end = offset + storedLength;
  }
  return runs;
}

function spanOf(blocks: readonly SpanBlock[]): ReadSpan {
  const first = blocks[0]?.location;
  const last = blocks.at(-1)?.location;
  if (first === undefined || last === undefined) throw new RangeError('a read has at least one block');
  const { packRecord: record, offset } = first;
  return { record, offset, length: last.offset + last.storedLength - offset, blocks };
}
