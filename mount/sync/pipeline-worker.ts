import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { chunkFile, rechunkFile } from '../../blockstore/chunk-file.ts';
import type { ChunkSource } from '../../blockstore/chunk-file.ts';
import { encodeBlock } from '../../blockstore/codec.ts';
import { hashBlock } from '../../blockstore/hash.ts';
import { asDriveError, DriveError } from '../../protocol/errors.ts';
import { decodeManifest, encodeManifest } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import { freeBytes } from '../../protocol/spent-memory.ts';
import type { FromWorker, PassedError, PipelineTask, ToWorker } from './pipeline-messages.ts';

/**
 * The thread of `WorkerPipeline`: reads content files, cuts, hashes and compresses. It blocks on reads and computation;
 * between pieces of a cut it takes other tasks, so that a small file does not wait for a large one.
 */

/** After so many bytes a cut lets other tasks have their turn. */
const turnBytes = 1024 * 1024;

type CutTask = Extract<PipelineTask, { type: 'cut' }>;
type FrameTask = Extract<PipelineTask, { type: 'frame' }>;

const port = parentPort;
if (port === null) throw new DriveError('internal', 'the pipeline worker must be started as a worker thread');

/** The pieces that tasks wait for; a task asks for one at a time. */
const wanted = new Map<number, (bytes: Uint8Array | PassedError) => void>();

port.on('message', (message: ToWorker) => {
  if (message.type === 'piece') {
    wanted.get(message.id)?.(message.bytes);
    return;
  }
  void run(message.id, message.task);
});

function send(message: FromWorker, transferred: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, [...transferred]);
}

async function run(id: number, task: PipelineTask): Promise<void> {
  try {
    if (task.type === 'cut') {
      // A copy in memory of its own, since what is transferred is gone from here.
      const manifest = new Uint8Array(encodeManifest(await cut(id, task)));
      send({ type: 'manifest', id, manifest }, [manifest.buffer]);
    } else {
      frame(id, task);
    }
  } catch (error) {
    const { code, message } = asDriveError(error);
    send({ type: 'failed', id, error: { code, message } });
  }
}

async function cut(id: number, { path, size, dataRanges, dirtyRanges, base, isLocal }: CutTask): Promise<Manifest> {
  const fd = openSync(path, 'r');
  try {
    const read = isLocal ? localReader(fd) : askingReader(id);
    const source: ChunkSource = { size, dataRanges, read };
    if (base === undefined) return await chunkFile(source);
    return await rechunkFile(source, { base: decodeManifest(base), dirtyRanges });
  } finally {
    closeSync(fd);
  }
}

/** Reads the file here; what comes short is left to the cutter to complain of. */
function localReader(fd: number): ChunkSource['read'] {
  let piece = new Uint8Array(0);
  let sinceTurn = 0;
  return async (offset, length) => {
    sinceTurn += length;
    if (sinceTurn > turnBytes) {
      sinceTurn = 0;
      await nextTurn();
    }
    if (piece.length < length) piece = Buffer.allocUnsafeSlow(length);
    return piece.subarray(0, readAt(fd, offset, piece.subarray(0, length)));
  };
}

/** Has the main thread read, which hydrates what is missing. */
function askingReader(id: number): ChunkSource['read'] {
  return async (offset, length) => {
    const answer = await new Promise<Uint8Array | PassedError>((resolve) => {
      wanted.set(id, resolve);
      send({ type: 'wanted', id, piece: { offset, length } });
    });
    wanted.delete(id);
    if (answer instanceof Uint8Array) return answer;
    throw new DriveError(answer.code, answer.message);
  };
}

function frame(id: number, { path, block }: FrameTask): void {
  const plaintext = new Uint8Array(block.length);
  const fd = openSync(path, 'r');
  try {
    const isWhole = readAt(fd, block.offset, plaintext) === block.length;
    if (!isWhole || hashBlock(plaintext) !== block.hash) {
      send({ type: 'framed', id, framed: undefined });
      return;
    }
  } finally {
    closeSync(fd);
  }
  const { encoding, bytes } = encodeBlock(block.hash, plaintext);
  // What zstd returns may be part of memory that is not ours to give away.
  const own = encoding === 'raw' ? plaintext : new Uint8Array(bytes);
  if (encoding === 'zstd') {
    freeBytes(plaintext);
    freeBytes(bytes);
  }
  send({ type: 'framed', id, framed: { encoding, bytes: own } }, [own.buffer]);
}

/** Reads until `target` is full or the file ends; returns how many bytes there were. */
function readAt(fd: number, offset: number, target: Uint8Array): number {
  let done = 0;
  while (done < target.length) {
    const got = readSync(fd, target, done, target.length - done, offset + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}
