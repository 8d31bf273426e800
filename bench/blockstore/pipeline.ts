import { hash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { BlockStore } from '../../blockstore/block-store.ts';
import { chunkStream } from '../../blockstore/chunk-stream.ts';
import { Chunker } from '../../blockstore/chunker.ts';
import { decodeBlock, encodeBlock } from '../../blockstore/codec.ts';
import { hashBlock } from '../../blockstore/hash.ts';
import { MasterKeys } from '../../blockstore/master-keys.ts';
import { MemoryStore } from '../../blockstore/memory-store.ts';
import { defaultProfile } from '../../blockstore/profile.ts';
import { openBlock, sealBlockParts } from '../../blockstore/sealing.ts';
import type { BlockFrame } from '../../protocol/block-service.ts';
import type { BlockHash, PackId } from '../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';
import { MemoryBlockIndex } from '../../test/unit/blockstore/memory-block-index.ts';
import { seededBytes, seededText } from '../../test/unit/blockstore/seeded-bytes.ts';

/**
 * MB (10^6 bytes of plaintext) per second of CPU of each step from bytes to packs, on one thread: medians of several runs, and
 * each step's rate over that of SHA-256 by `crypto.hash`, measured beside it on the same bytes.
 *
 *     node bench/blockstore/pipeline.ts [--megabytes 64] [--runs 7] [--json]
 */
const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '64' },
    runs: { type: 'string', default: '7' },
    json: { type: 'boolean', default: false },
  },
});
const byteLength = Number(values.megabytes) * 1_000_000;
const runs = Number(values.runs);
const pieceBytes = 1024 * 1024;

const pack = '0'.repeat(32) as PackId;
const dataKey = systemRandomness.bytes(32);
const masterKeys = new MasterKeys([{ id: '0'.repeat(16), key: systemRandomness.bytes(32) }], '0'.repeat(16));

function piecesOf(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
  return pieces;
}

async function blocksOf(bytes: Buffer): Promise<BlockFrame[]> {
  const frames: BlockFrame[] = [];
  for await (const block of chunkStream(pieceStream(bytes))) frames.push({ ...block, encoding: 'raw' });
  return frames;
}

async function* pieceStream(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield* piecesOf(bytes);
}

async function* encodedStream(bytes: Buffer): AsyncGenerator<BlockFrame> {
  for await (const block of chunkStream(pieceStream(bytes))) yield encodeBlock(block.hash, block.bytes);
}

async function consume(frames: AsyncIterable<BlockFrame>): Promise<number> {
  let count = 0;
  for await (const frame of frames) count += frame.length;
  return count;
}

function sealedBlock(frame: BlockFrame): {
  readonly hash: BlockHash;
  readonly frame: BlockFrame;
  readonly sealed: Buffer;
} {
  return { hash: frame.hash, frame, sealed: Buffer.concat(sealBlockParts(dataKey, pack, 0, frame)) };
}

function openSealed({ hash: blockHash, frame, sealed }: ReturnType<typeof sealedBlock>): void {
  const { length, encoding } = frame;
  openBlock(dataKey, blockHash, { pack, offset: 0, storedLength: sealed.length, length, encoding }, sealed);
}

async function stepsFor(bytes: Buffer): Promise<Map<string, () => unknown>> {
  const pieces = piecesOf(bytes);
  const blocks = await blocksOf(bytes);
  const encoded = blocks.map(({ hash: blockHash, bytes: plaintext }) => encodeBlock(blockHash, plaintext));
  const sealed = encoded.map(sealedBlock);
  const put = async (frames: AsyncIterable<BlockFrame>) => {
    const parts = { masterKeys, clock: systemClock, randomness: systemRandomness };
    await new BlockStore({ objects: new MemoryStore(), index: new MemoryBlockIndex(), ...parts }).put(frames);
  };
  async function* ready(): AsyncGenerator<BlockFrame> {
    yield* encoded;
  }
  return new Map<string, () => unknown>([
    ['SHA-256 alone, 1 MiB pieces', () => pieces.forEach((piece) => hash('sha256', piece, 'buffer'))],
    ['chunk', () => pieces.reduce((chunker, piece) => (chunker.push(piece), chunker), new Chunker(defaultProfile))],
    ['hash', () => blocks.forEach((block) => hashBlock(block.bytes))],
    ['compress (encodeBlock)', () => blocks.forEach((block) => encodeBlock(block.hash, block.bytes))],
    ['decompress and verify (decodeBlock)', () => encoded.forEach((frame) => decodeBlock(frame))],
    ['seal', () => encoded.forEach((frame) => sealBlockParts(dataKey, pack, 0, frame))],
    ['open', () => sealed.forEach(openSealed)],
    ['sender: chunk, hash, compress', () => consume(encodedStream(bytes))],
    ['server: verify, seal, pack, store in memory', () => put(ready())],
    ['whole pipeline, both in one thread', () => put(encodedStream(bytes))],
  ]);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;
}

async function rateOf(step: () => unknown): Promise<number> {
  const rates: number[] = [];
  await step(); // compiles and warms caches
  for (let run = 0; run < runs; run++) {
    const before = process.cpuUsage();
    await step();
    const { user, system } = process.cpuUsage(before);
    rates.push(byteLength / (user + system));
  }
  return median(rates);
}

const results: Record<string, Record<string, number>> = {};
for (const [kind, make] of [
  ['random', seededBytes],
  ['compressible', seededText],
] as const) {
  const rates: Record<string, number> = {};
  for (const [name, step] of await stepsFor(make(`bench ${kind}`, byteLength)))
    rates[name] = Math.round(await rateOf(step));
  results[kind] = rates;
}

if (values.json) {
  console.log(JSON.stringify({ unit: 'MB per CPU second', byteLength, runs, results }, undefined, 2));
} else {
  for (const [kind, rates] of Object.entries(results)) {
    const base = Object.values(rates)[0] ?? NaN;
    console.log(
      `\n${kind} bytes, ${byteLength / 1e6} MB, median of ${runs} runs, MB per CPU second (over SHA-256 alone)`,
    );
    for (const [name, rate] of Object.entries(rates)) {
      console.log(`  ${name.padEnd(45)} ${String(rate).padStart(6)}  ${(rate / base).toFixed(2)}`);
    }
  }
}
