import type {
  BlockFrame,
  BlockService,
  GetBlocksRequest,
  PutBlocksResult,
  SpentBytes,
} from '../../protocol/block-service.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { BlockHash, NamespaceId } from '../../protocol/ids.ts';
import { limits } from '../../protocol/limits.ts';
import { freeingPieces } from '../../protocol/spent-memory.ts';
import { decodeBlockFrames, encodeBlockFrames } from '../../protocol/wire/block-frames.ts';
import { endpointPath, endpoints, streamEndpoints } from '../../protocol/wire/endpoints.ts';
import { encodeJson } from '../../protocol/wire/wire-json.ts';
import { framesContentType, jsonContentType } from '../../protocol/wire/wire-version.ts';
import { FrameGroups } from './frame-groups.ts';
import { collect, readAnswer } from './http-client.ts';
import type { HttpClient } from './http-client.ts';

const resultBytesMax = 4096;

/** An answer is as long as its blocks are; their number is bounded by the request. */
const answerBytesMax = (limits.getBlocksHashesMax + 1) * (limits.blockBytesMax + 64);

/** The blocks of a server, over HTTP. Besides what `BlockService` says, calls throw `unavailable` and `timeout`. */
export class RemoteBlocks implements BlockService {
  readonly #client: HttpClient;

  constructor(client: HttpClient) {
    this.#client = client;
  }

  async have(namespace: NamespaceId, hashes: readonly BlockHash[]): Promise<ReadonlySet<BlockHash>> {
    return this.#client.call(endpoints.have, { hashes: [...hashes] }, namespace);
  }

  /** Of any length: what one request may not hold goes out in several, one after the other. */
  async put(namespace: NamespaceId, frames: AsyncIterable<BlockFrame>, spent?: SpentBytes): Promise<PutBlocksResult> {
    const groups = new FrameGroups(frames);
    let total: PutBlocksResult = { receivedBlocks: 0, storedBlocks: 0, storedBytes: 0 };
    try {
      do total = sum(total, await this.#putGroup(namespace, groups.group(), spent));
      while (await groups.more());
      return total;
    } finally {
      await groups.close();
    }
  }

  /** Frames come as the server holds them. Their hashes are checked by whoever decodes them (`decodeBlock`), once. */
  async *get(
    namespace: NamespaceId,
    request: GetBlocksRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<BlockFrame, void, undefined> {
    const { getBlocks } = streamEndpoints;
    const answer = this.#client.stream({
      path: endpointPath(getBlocks, namespace),
      contentType: jsonContentType,
      body: Buffer.from(encodeJson(getBlocks.request, request)),
      answerType: framesContentType,
      signal,
    });
    const missing = new Set(request.hashes);
    const options = { bytesMax: answerBytesMax, framesMax: missing.size, truncatedCode: 'unavailable' } as const;
    for await (const frame of decodeBlockFrames(freeingPieces(answer), options)) {
      if (!missing.delete(frame.hash)) throw new DriveError('internal', `the server sent block ${frame.hash} unasked`);
      yield frame;
    }
    const [lost] = missing;
    if (lost !== undefined) throw new DriveError('internal', `the server did not send block ${lost}`);
  }

  async #putGroup(
    namespace: NamespaceId,
    frames: AsyncIterable<BlockFrame>,
    spent: SpentBytes | undefined,
  ): Promise<PutBlocksResult> {
    const { putBlocks } = streamEndpoints;
    const answer = this.#client.stream({
      path: endpointPath(putBlocks, namespace),
      contentType: framesContentType,
      body: encodeBlockFrames(frames),
      sent: spent,
      answerType: jsonContentType,
    });
    return readAnswer(putBlocks.response, await collect(answer, resultBytesMax));
  }
}

function sum(a: PutBlocksResult, b: PutBlocksResult): PutBlocksResult {
  return {
    receivedBlocks: a.receivedBlocks + b.receivedBlocks,
    storedBlocks: a.storedBlocks + b.storedBlocks,
    storedBytes: a.storedBytes + b.storedBytes,
  };
}
