import { decodeBlock } from '../../blockstore/codec.ts';
import type { Caller } from '../../protocol/accounts.ts';
import type { BlockFrame, BlockService } from '../../protocol/block-service.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { BlockLocation } from '../../protocol/block-index.ts';
import type { Clock, Randomness } from '../../protocol/environment.ts';
import { makeId } from '../../protocol/ids.ts';
import type { BlockHash, PackId } from '../../protocol/ids.ts';
import { isHole, manifestSize } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { MetadataStore } from '../../protocol/metadata-store.ts';

/** The server's blocks in memory, with the real rules of who may name which. */
export class SimulatedBlocks {
  readonly #plaintexts = new Map<BlockHash, Uint8Array>();
  readonly #store: MetadataStore;
  readonly #environment: { readonly clock: Clock; readonly randomness: Randomness };

  constructor(store: MetadataStore, environment: { readonly clock: Clock; readonly randomness: Randomness }) {
    this.#store = store;
    this.#environment = environment;
  }

  as(caller: Caller): BlockService {
    const store = this.#store;
    const plaintexts = this.#plaintexts;
    const environment = this.#environment;
    return {
      have: (namespace, hashes) => store.entitlements.nameable(caller, namespace, hashes),
      put: async (_namespace, frames) => {
        const received: BlockHash[] = [];
        for await (const frame of frames) {
          plaintexts.set(frame.hash, Uint8Array.from(decodeBlock(frame)));
          received.push(frame.hash);
        }
        const pack = makeId<PackId>(environment.clock, environment.randomness);
        const locations = new Map<BlockHash, BlockLocation>();
        for (const hash of received) {
          const length = plaintexts.get(hash)?.length ?? 0;
          locations.set(hash, { pack, offset: 0, storedLength: length, length, encoding: 'raw' });
        }
        const record = { pack, byteLength: 0, keyId: 'none', wrappedKey: new Uint8Array() };
        if (received.length > 0) await store.blockIndex.record(record, locations);
        await store.entitlements.recordUploads(caller, received);
        return { receivedBlocks: received.length, storedBlocks: received.length, storedBytes: 0 };
      },
      get: async function* (_namespace, request): AsyncGenerator<BlockFrame> {
        for (const hash of request.hashes) {
          const bytes = plaintexts.get(hash);
          if (bytes === undefined) throw new DriveError('notFound', `there is no block ${hash}`);
          yield { hash, length: bytes.length, encoding: 'raw', bytes };
        }
      },
    };
  }

  /** The bytes that a manifest stands for. */
  assemble(manifest: Manifest): Buffer {
    const out = Buffer.alloc(manifestSize(manifest));
    let at = 0;
    for (const entry of manifest.entries) {
      const bytes = isHole(entry) ? undefined : this.#plaintexts.get(entry.hash);
      if (!isHole(entry) && bytes === undefined) throw new Error(`a committed manifest names lost block ${entry.hash}`);
      if (bytes !== undefined) out.set(bytes, at);
      at += entry.length;
    }
    return out;
  }
}
