import { BlockStore, type BlockStoreParts } from '../../../blockstore/block-store.ts';
import { encodeBlock } from '../../../blockstore/codec.ts';
import { hashBlock } from '../../../blockstore/hash.ts';
import { MasterKeys } from '../../../blockstore/master-keys.ts';
import { MemoryStore } from '../../../blockstore/memory-store.ts';
import type { BlockFrame } from '../../../protocol/block-service.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { MemoryBlockIndex } from './memory-block-index.ts';
import { seededBytes } from './seeded-bytes.ts';

/** Master keys that a seed repeats, with one key. */
export function testMasterKeys(seed = 'keys'): MasterKeys {
  const id = seededBytes(`${seed}/id`, 8).toString('hex');
  return new MasterKeys([{ id, key: seededBytes(`${seed}/key`, 32) }], id);
}

/** A block store over memory, with any of its parts replaced. */
export function makeBlockStore(
  replaced: Partial<BlockStoreParts> = {},
): BlockStoreParts & { readonly store: BlockStore } {
  const parts: BlockStoreParts = {
    objects: new MemoryStore(),
    index: new MemoryBlockIndex(),
    masterKeys: testMasterKeys(),
    clock: systemClock,
    randomness: systemRandomness,
    ...replaced,
  };
  return { ...parts, store: new BlockStore(parts) };
}

export function frameOf(plaintext: Uint8Array): BlockFrame {
  return encodeBlock(hashBlock(plaintext), plaintext);
}

export async function* framesOf(plaintexts: Iterable<Uint8Array>): AsyncGenerator<BlockFrame> {
  for (const plaintext of plaintexts) yield frameOf(plaintext);
}

export async function collect<Element>(elements: AsyncIterable<Element>): Promise<Element[]> {
  const collected: Element[] = [];
  for await (const element of elements) collected.push(element);
  return collected;
}
