import { createDecipheriv, hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeBlock } from '../../../blockstore/codec.ts';
import { collectPieces } from '../../../blockstore/object-body.ts';
import { packHeaderBytes, PackWriter, readPackDirectory, type FinishedPack } from '../../../blockstore/pack.ts';
import { hashBlock } from '../../../blockstore/hash.ts';
import { MasterKeys } from '../../../blockstore/master-keys.ts';
import { openBlock } from '../../../blockstore/sealing.ts';
import type { LocatedBlock } from '../../../protocol/block-index.ts';
import { isDriveError } from '../../../protocol/errors.ts';
import type { BlockHash, PackId } from '../../../protocol/ids.ts';
import { frameOf, testMasterKeys } from './make-block-store.ts';
import { seededBytes, seededText } from './seeded-bytes.ts';

const packId = '0123456789abcdef0123456789abcdef' as PackId;
const masterKeys = testMasterKeys();
const dataKey = seededBytes('data key', 32);
const plaintexts = [seededText('one', 500), seededBytes('two', 70), seededBytes('three', 1)];

async function makePack(): Promise<FinishedPack & { readonly bytes: Buffer }> {
  const writer = new PackWriter(packId, dataKey, masterKeys);
  for (const plaintext of plaintexts) writer.add(frameOf(plaintext));
  const pack = writer.finish();
  return { ...pack, bytes: await collectPieces(pack.body.open(), pack.body.byteLength) };
}

const readerOf = (bytes: Buffer) => async (offset: number, length: number) => bytes.subarray(offset, offset + length);

function openAll(pack: Pick<FinishedPack, 'blocks' | 'record'>, bytes: Buffer): Buffer[] {
  const key = masterKeys.unwrap(packId, pack.record);
  return [...pack.blocks].map(([blockHash, location]) => {
    const sealed = bytes.subarray(location.offset, location.offset + location.storedLength);
    return Buffer.from(decodeBlock(openBlock(key, blockHash, location, sealed)));
  });
}

describe('pack', () => {
  it('gives back its directory and every block', async () => {
    const pack = await makePack();
    const read = await readPackDirectory(packId, pack.bytes.length, readerOf(pack.bytes), masterKeys);
    expect(read.blocks).toEqual(pack.blocks);
    expect(read.record.wrappedKey).toEqual(pack.record.wrappedKey);
    expect(openAll(read, pack.bytes)).toEqual(plaintexts);
  });

  it('has the documented layout, to the byte', async () => {
    const { bytes, blocks, record } = await makePack();
    expect(record.byteLength).toBe(bytes.length);
    expect(bytes.toString('latin1', 0, 8)).toBe('HFPACK\0\x01');
    expect(bytes.toString('hex', 8, 24)).toBe(packId);
    expect(bytes.toString('latin1', 24, 40)).toBe(masterKeys.activeKeyId);
    expect(bytes.subarray(40, 100).equals(record.wrappedKey)).toBe(true);
    const second = blocks.get(hash('sha256', plaintexts[1] ?? '', 'hex') as BlockHash);
    const first = blocks.get(hash('sha256', plaintexts[0] ?? '', 'hex') as BlockHash);
    expect(first?.offset).toBe(100);
    expect(second).toEqual({
      pack: packId,
      offset: 100 + (first?.storedLength ?? 0),
      storedLength: 86,
      length: 70,
      encoding: 'raw',
    });

    // Opened by hand, from the description alone.
    const at = second?.offset ?? 0;
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32LE(1, 0);
    nonce.writeBigUInt64LE(BigInt(at), 4);
    const associated = Buffer.alloc(61);
    associated.write(packId, 0, 'hex');
    associated.writeBigUInt64LE(BigInt(at), 16);
    associated.write(hash('sha256', plaintexts[1] ?? '', 'hex'), 24, 'hex');
    associated.writeUInt32LE(70, 56);
    const opener = createDecipheriv('aes-256-gcm', dataKey, nonce).setAAD(associated);
    opener.setAuthTag(bytes.subarray(at + 70, at + 86));
    expect(Buffer.concat([opener.update(bytes.subarray(at, at + 70)), opener.final()])).toEqual(plaintexts[1]);

    const directoryOffset = Number(bytes.readBigUInt64LE(bytes.length - 16));
    expect(bytes.toString('latin1', bytes.length - 8)).toBe('HFPEND\0\x01');
    expect(bytes.length - 16 - directoryOffset).toBe(3 * 49 + 16);
  });

  it('comes out the same for the same key and blocks: golden digest of format 1', async () => {
    const writer = new PackWriter(packId, dataKey, masterKeys);
    for (const bytes of plaintexts) {
      writer.add({ hash: hashBlock(bytes), length: bytes.length, encoding: 'raw', bytes });
    }
    const { body } = writer.finish();
    const bytes = await collectPieces(body.open(), body.byteLength);
    // The wrapped key has a random nonce, and the directory's tag covers it: all else is decided by the inputs.
    const decided = Buffer.concat([bytes.subarray(0, 40), bytes.subarray(packHeaderBytes, -32), bytes.subarray(-16)]);
    expect(hash('sha256', decided, 'hex')).toBe('f15135030e4f1dd3aca53e9d2b7654578f4d4393c89fd1cd13c67a6a60b737a9');
  });

  it('never gives wrong bytes for any flipped bit: directory and blocks say corrupt', async () => {
    const pack = await makePack();
    for (let at = 0; at < pack.bytes.length; at++) {
      const bit = at * 8 + (at % 8);
      const bytes = Buffer.from(pack.bytes);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const codes: unknown[] = [];
      await readPackDirectory(packId, bytes.length, readerOf(bytes), masterKeys).catch((error: unknown) =>
        codes.push(error),
      );
      for (const [index, [blockHash, location]] of [...pack.blocks].entries()) {
        const sealed = bytes.subarray(location.offset, location.offset + location.storedLength);
        try {
          expect(openBlock(dataKey, blockHash, location, sealed).bytes).toEqual(
            frameOf(plaintexts[index] ?? Buffer.alloc(0)).bytes,
          );
        } catch (error) {
          codes.push(error);
        }
      }
      // Each byte is under exactly one seal: the directory's, which covers header and footer, or a block's.
      const keyIdChanged = bit >= 24 * 8 && bit < 40 * 8;
      expect(codes, `bit ${bit}`).toHaveLength(1);
      const expected = isDriveError(codes[0], 'corrupt') || (keyIdChanged && isDriveError(codes[0], 'forbidden'));
      expect(expected, `bit ${bit}: ${String(codes[0])}`).toBe(true);
    }
  });

  it('says corrupt for a pack that was cut, or that is another', async () => {
    const { bytes } = await makePack();
    for (const length of [0, 99, 100, 131, 200, bytes.length - 1]) {
      const cut = bytes.subarray(0, length);
      await expect(readPackDirectory(packId, length, readerOf(cut), masterKeys)).rejects.toMatchObject({
        code: 'corrupt',
      });
    }
    const other = 'f'.repeat(32) as PackId;
    await expect(readPackDirectory(other, bytes.length, readerOf(bytes), masterKeys)).rejects.toMatchObject({
      code: 'corrupt',
    });
  });

  it('says corrupt for a sealed block in another place, or told to be another', async () => {
    const { bytes, blocks } = await makePack();
    const [entry] = blocks;
    if (entry === undefined) throw new Error('the pack has no block');
    const [blockHash, location] = entry;
    const sealed = bytes.subarray(location.offset, location.offset + location.storedLength);
    const wrong: Partial<LocatedBlock>[] = [
      { offset: location.offset + 1 },
      { pack: 'f'.repeat(32) as PackId },
      { length: location.length + 1 },
      { encoding: location.encoding === 'raw' ? 'zstd' : 'raw' },
    ];
    const corrupt = expect.objectContaining({ code: 'corrupt' }) as Error;
    for (const change of wrong) {
      expect(() => openBlock(dataKey, blockHash, { ...location, ...change }, sealed)).toThrow(corrupt);
    }
    expect(() => openBlock(dataKey, 'ab'.repeat(32) as BlockHash, location, sealed)).toThrow(corrupt);
    expect(() => openBlock(dataKey, blockHash, location, sealed.subarray(0, 10))).toThrow(corrupt);
    expect(() => openBlock(seededBytes('other key', 32), blockHash, location, sealed)).toThrow(corrupt);
  });
});

describe('MasterKeys', () => {
  const one = { id: '1'.repeat(16), key: seededBytes('1', 32) };
  const two = { id: '2'.repeat(16), key: seededBytes('2', 32) };

  it('rotates without touching packs', () => {
    const before = new MasterKeys([one], one.id);
    const wrapped = before.wrap(packId, dataKey);
    const both = new MasterKeys([one, two], two.id);
    const rewrapped = both.rewrap(packId, wrapped);
    expect(rewrapped.keyId).toBe(two.id);
    const after = new MasterKeys([two], two.id);
    expect(Buffer.from(after.unwrap(packId, rewrapped))).toEqual(dataKey);
    expect(() => after.unwrap(packId, wrapped)).toThrow(expect.objectContaining({ code: 'forbidden' }) as Error);
  });

  it('binds a data key to its pack and never wraps it alike twice', () => {
    const keys = new MasterKeys([one], one.id);
    const wrapped = keys.wrap(packId, dataKey);
    expect(keys.wrap(packId, dataKey).wrappedKey).not.toEqual(wrapped.wrappedKey);
    const corrupt = expect.objectContaining({ code: 'corrupt' }) as Error;
    expect(() => keys.unwrap('f'.repeat(32) as PackId, wrapped)).toThrow(corrupt);
    expect(() => keys.unwrap(packId, { ...wrapped, wrappedKey: wrapped.wrappedKey.subarray(1) })).toThrow(corrupt);
  });

  it('refuses keys that are none', () => {
    const invalid = expect.objectContaining({ code: 'invalidArgument' }) as Error;
    expect(() => new MasterKeys([one], two.id)).toThrow(invalid);
    expect(() => new MasterKeys([one, one], one.id)).toThrow(invalid);
    expect(() => new MasterKeys([{ id: one.id, key: seededBytes('', 31) }], one.id)).toThrow(invalid);
  });
});
