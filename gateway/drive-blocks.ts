import type { BlockStore } from '../blockstore/block-store.ts';
import type { Caller } from '../protocol/accounts.ts';
import type { BlockEntitlements } from '../protocol/block-index.ts';
import type {
  BlockFrame,
  BlockService,
  GetBlocksRequest,
  PutBlocksResult,
  SpentBytes,
} from '../protocol/block-service.ts';
import { DriveError } from '../protocol/errors.ts';
import type { BlockHash, NamespaceId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { Metadata } from '../protocol/metadata.ts';
import { roleSuffices } from '../protocol/roles.ts';
import type { Role } from '../protocol/roles.ts';
import type { EntitledBlocks } from './entitled-blocks.ts';

/** What is asked of the block store, which knows bytes and nothing of users. */
export type StoredBlocks = Pick<BlockStore, 'put' | 'get'>;

/** The parts behind `DriveBlocks`: the tree as the caller sees it, who may name which block, and the bytes. */
export interface DriveBlocksParts {
  readonly caller: Caller;
  readonly metadata: Metadata;
  readonly entitlements: BlockEntitlements;
  readonly blockStore: StoredBlocks;
  /** One for all callers. */
  readonly entitledBlocks: EntitledBlocks;
}

/**
 * The blocks of one authenticated caller on the server: the border between a hash and its bytes. Every HTTP door
 * uses it, so access is decided here and nowhere else. Cheap; make one a request.
 */
export class DriveBlocks implements BlockService {
  readonly #parts: DriveBlocksParts;

  constructor(parts: DriveBlocksParts) {
    this.#parts = parts;
  }

  async have(namespace: NamespaceId, hashes: readonly BlockHash[]): Promise<ReadonlySet<BlockHash>> {
    if (hashes.length > limits.haveHashesMax) {
      throw new DriveError('tooLarge', `at most ${limits.haveHashesMax} hashes can be asked about at once`);
    }
    await this.#requireRole(namespace, 'write');
    if (hashes.length === 0) return new Set();
    return this.#parts.entitlements.nameable(this.#parts.caller, namespace, hashes);
  }

  /** The role is checked before the first frame is taken, so nobody can make the server store what he may not. */
  async put(namespace: NamespaceId, frames: AsyncIterable<BlockFrame>, spent?: SpentBytes): Promise<PutBlocksResult> {
    await this.#requireRole(namespace, 'write');
    const { blockStore } = this.#parts;
    const { hashes, receivedBlocks, storedBlocks, storedBytes } = await blockStore.put(frames, undefined, spent);
    if (hashes.size > 0) await this.#parts.entitlements.recordUploads(this.#parts.caller, [...hashes]);
    return { receivedBlocks, storedBlocks, storedBytes };
  }

  async *get(
    namespace: NamespaceId,
    request: GetBlocksRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<BlockFrame, void, undefined> {
    yield* this.getAuthorized(await this.authorizeGet(namespace, request), signal);
  }

  /** The bytes of what `authorizeGet` returned. */
  getAuthorized(hashes: readonly BlockHash[], signal?: AbortSignal): AsyncIterable<BlockFrame> {
    return this.#parts.blockStore.get(hashes, signal);
  }

  /**
   * The distinct hashes of `request`, once it is certain that the caller may read them: he has the role `read` now and all
   * are in the named version. Lets a door refuse before it starts an answer.
   */
  async authorizeGet(namespace: NamespaceId, request: GetBlocksRequest): Promise<readonly BlockHash[]> {
    if (request.hashes.length > limits.getBlocksHashesMax) {
      throw new DriveError('tooLarge', `at most ${limits.getBlocksHashesMax} blocks can be asked for at once`);
    }
    await this.#requireRole(namespace, 'read');
    const { metadata, entitledBlocks } = this.#parts;
    const entitled = await entitledBlocks.of(metadata, namespace, request.inode, request.version);
    const wanted = [...new Set(request.hashes)];
    const foreign = wanted.find((hash) => !entitled.has(hash));
    if (foreign !== undefined) {
      throw new DriveError(
        'forbidden',
        `block ${foreign} is not part of version ${request.version} of inode ${request.inode}`,
      );
    }
    return wanted;
  }

  async #requireRole(namespace: NamespaceId, needed: Role): Promise<void> {
    const { role, name } = await this.#parts.metadata.namespace(namespace);
    if (!roleSuffices(role, needed)) {
      throw new DriveError('forbidden', `you may ${role} "${name}" but this needs the role ${needed}`);
    }
  }
}
