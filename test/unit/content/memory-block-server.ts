import { encodeBlock } from '../../../blockstore/codec.ts';
import { hashBlock } from '../../../blockstore/hash.ts';
import type { BlockFrame, GetBlocksRequest } from '../../../protocol/block-service.ts';
import { DriveError } from '../../../protocol/errors.ts';
import type { BlockHash, InodeId, NamespaceId, Version } from '../../../protocol/ids.ts';
import { holeHash } from '../../../protocol/manifest.ts';
import type { Manifest, ManifestEntry } from '../../../protocol/manifest.ts';

/** What may go wrong with one frame of one answer. */
export type Fault = 'wrongBytes' | 'reset' | 'endEarly' | 'hang';

/** Blocks and manifests in memory, cut at a fixed length, with faults on demand and a record of what was asked. */
export class MemoryBlockServer {
  readonly requests: GetBlocksRequest[] = [];
  manifestRequests = 0;
  /** Called for each frame about to be sent. */
  fault: (hash: BlockHash) => Fault | undefined = () => undefined;
  readonly #blocks = new Map<BlockHash, Uint8Array>();
  readonly #manifests = new Map<string, Manifest>();
  readonly #blockBytes: number;

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  /** Stores a version; stretches of zeros become holes. */
  put(inode: InodeId, version: number, bytes: Uint8Array): Manifest {
    const entries: ManifestEntry[] = [];
    for (let at = 0; at < bytes.length; at += this.#blockBytes) {
      const block = Uint8Array.from(bytes.subarray(at, at + this.#blockBytes));
      const hash = block.every((byte) => byte === 0) ? holeHash : hashBlock(block);
      if (hash !== holeHash) this.#blocks.set(hash, block);
      entries.push({ hash, length: block.length });
    }
    const manifest = { profile: 'fixed', entries };
    this.#manifests.set(`${inode} ${version}`, manifest);
    return manifest;
  }

  block(hash: BlockHash): Uint8Array | undefined {
    return this.#blocks.get(hash);
  }

  async manifest(_namespace: NamespaceId, inode: InodeId, version: Version): Promise<Manifest> {
    this.manifestRequests += 1;
    const manifest = this.#manifests.get(`${inode} ${version}`);
    if (manifest === undefined) throw new DriveError('notFound', `no version ${version} of ${inode}`);
    return manifest;
  }

  async *get(_namespace: NamespaceId, request: GetBlocksRequest, signal?: AbortSignal): AsyncGenerator<BlockFrame> {
    this.requests.push(request);
    const named = new Set((await this.manifest(_namespace, request.inode, request.version)).entries.map((e) => e.hash));
    this.manifestRequests -= 1;
    for (const hash of request.hashes) {
      const block = this.#blocks.get(hash);
      if (block === undefined || !named.has(hash)) throw new DriveError('forbidden', `${hash} is not in that version`);
      const fault = this.fault(hash);
      if (fault === 'reset') throw new DriveError('unavailable', 'connection reset');
      if (fault === 'endEarly') return;
      if (fault === 'hang')
        await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('stopped'))));
      // A copy, since who receives a frame may free its memory.
      const frame = encodeBlock(hash, block.slice());
      yield fault === 'wrongBytes' ? { ...frame, encoding: 'raw', bytes: new Uint8Array(frame.length).fill(7) } : frame;
    }
  }
}
