import type { Caller } from './accounts.ts';
import type { BlockEncoding } from './block-service.ts';
import type { BlockHash, NamespaceId, PackId } from './ids.ts';

/** Where a block's sealed bytes lie. */
export interface BlockLocation {
  readonly pack: PackId;
  /** Of the sealed block in the pack. */
  readonly offset: number;
  readonly storedLength: number;
  /** Of the plaintext. */
  readonly length: number;
  readonly encoding: BlockEncoding;
}

/** What is needed to open a pack's blocks without reading its header first. */
export interface PackRecord {
  readonly pack: PackId;
  readonly byteLength: number;
  /** Which master key wraps the pack's data key. */
  readonly keyId: string;
  readonly wrappedKey: Uint8Array;
}

export interface LocatedBlock extends BlockLocation {
  readonly packRecord: PackRecord;
}

/**
 * The store's memory of where every block lies, one for all namespaces, kept by the metadata. It decides nothing
 * about access.
 */
export interface BlockIndex {
  /** The locations of those of `hashes` that the store holds. */
  locate(hashes: readonly BlockHash[]): Promise<ReadonlyMap<BlockHash, LocatedBlock>>;

  /**
   * Records a durable pack and what lies in it, in one transaction. A hash recorded already keeps its first
   * place. Recording the same pack again changes nothing.
   */
  record(pack: PackRecord, blocks: ReadonlyMap<BlockHash, BlockLocation>): Promise<void>;

  /** The ids of all master keys that wrap data keys of recorded packs: what is needed to read every block. Cheap, however many packs. */
  keyIds(): Promise<ReadonlySet<string>>;
}

/** Who may name which block: what stands between a hash and its bytes. */
export interface BlockEntitlements {
  /** Those of `hashes` that the namespace references (now or in its history) or that the caller uploaded. Needs `write`. */
  nameable(caller: Caller, namespace: NamespaceId, hashes: readonly BlockHash[]): Promise<ReadonlySet<BlockHash>>;

  /** Notes that the caller has shown these blocks' bytes. Call it after they are durable and recorded. */
  recordUploads(caller: Caller, hashes: readonly BlockHash[]): Promise<void>;
}
