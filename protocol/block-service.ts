import type { BlockHash, InodeId, NamespaceId, Version } from './ids.ts';

/**
 * A block under way between two parties. `encoding` says how `bytes` hold the plaintext: as they are, or
 * compressed with zstd. `hash` and `length` are of the plaintext.
 */
export interface BlockFrame {
  readonly hash: BlockHash;
  readonly length: number;
  readonly encoding: BlockEncoding;
  readonly bytes: Uint8Array;
}

export type BlockEncoding = 'raw' | 'zstd';

/** Hears of bytes that will not be looked at again. */
export type SpentBytes = (bytes: Uint8Array) => void;

/** What a `put` did, for figures: of the blocks received, how many were new to the store. */
export interface PutBlocksResult {
  readonly receivedBlocks: number;
  readonly storedBlocks: number;
  /** Bytes that went into packs, sealed. */
  readonly storedBytes: number;
}

/** Which bytes of one version are wanted: the hash is entitled by being in that version's manifest. */
export interface GetBlocksRequest {
  readonly inode: InodeId;
  readonly version: Version;
  /** At most `limits.getBlocksHashesMax`; holes are not asked for. */
  readonly hashes: readonly BlockHash[];
}

/**
 * Blocks, as one authenticated caller may move them. The server implements it over the block store, the mount
 * over HTTP. A hash is not a capability: knowing it gives no access to its bytes, and asking for it does not
 * tell whether anybody else has it.
 */
export interface BlockService {
  /**
   * Which of `hashes` the caller need not send, because the namespace references them or because the caller
   * itself has uploaded them. Needs `write`. Throws `tooLarge` beyond `limits.haveHashesMax`.
   */
  have(namespace: NamespaceId, hashes: readonly BlockHash[]): Promise<ReadonlySet<BlockHash>>;

  /**
   * Stores blocks and resolves when all are durable. Each is verified against its hash first: a wrong one throws
   * `corrupt`, a malformed one `invalidArgument`, and no commit can name what was not stored. Blocks stored
   * before the failing one may stay; sending them again costs nothing. Needs `write`. `spent` hears of bytes that came in
   * frames and will not be looked at again, so that their owner can free them; what it does not hear of is left to the garbage collector.
   */
  put(namespace: NamespaceId, frames: AsyncIterable<BlockFrame>, spent?: SpentBytes): Promise<PutBlocksResult>;

  /**
   * The wanted blocks, each exactly once, in any order, and in memory that is the consumer's. Whoever decodes a block verifies it (`decodeBlock`), so that
   * this is done once and end to end. Needs `read`; throws `forbidden` if a hash is not in that version. The consumer
   * may stop early.
   */
  get(namespace: NamespaceId, request: GetBlocksRequest, signal?: AbortSignal): AsyncIterable<BlockFrame>;
}
