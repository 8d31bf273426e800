import { sql } from 'kysely';
import type { BlockIndex, BlockLocation, LocatedBlock, PackRecord } from '../protocol/block-index.ts';
import type { BlockEncoding } from '../protocol/block-service.ts';
import type { BlockHash, PackId } from '../protocol/ids.ts';
import type { Database } from './database.ts';

interface LocatedRow {
  readonly hash: BlockHash;
  readonly pack: PackId;
  readonly pack_offset: number;
  readonly stored_length: number;
  readonly length: number;
  readonly encoding: BlockEncoding;
  readonly byte_length: number;
  readonly key_id: string;
  readonly wrapped_key: Uint8Array;
}

/** Where every block lies, in SQL. */
export class SqlBlockIndex implements BlockIndex {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async locate(hashes: readonly BlockHash[]): Promise<ReadonlyMap<BlockHash, LocatedBlock>> {
    const rows = await this.#database.read((session) =>
      session.inSlices(
        hashes,
        (slice) =>
          sql<LocatedRow>`select b.hash, b.pack, b.pack_offset, b.stored_length, b.length, b.encoding, p.byte_length,
            p.key_id, p.wrapped_key from (select b.* from ${session.each(session.list(slice), 'blocks', 'b', sql`b.hash = wanted.value`)}) as b
            join packs p on p.pack = b.pack`,
      ),
    );
    return new Map(rows.map((row) => [row.hash, locatedBlock(row)]));
  }

  async record(pack: PackRecord, blocks: ReadonlyMap<BlockHash, BlockLocation>): Promise<void> {
    await this.#database.transaction(async (session) => {
      await session.query(
        sql`insert into packs (pack, byte_length, key_id, wrapped_key)
          values (${pack.pack}, ${pack.byteLength}, ${pack.keyId}, ${Buffer.from(pack.wrappedKey)}) on conflict do nothing`,
      );
      const rows = [...blocks].map(([hash, location]) => ({
        hash,
        pack: location.pack,
        pack_offset: location.offset,
        stored_length: location.storedLength,
        length: location.length,
        encoding: location.encoding,
      }));
      // In one order everywhere, so that two gateways that record the same hashes cannot wait for each other.
      rows.sort((a, b) => (a.hash < b.hash ? -1 : 1));
      await session.insert('blocks', rows, true);
    });
  }

  async keyIds(): Promise<ReadonlySet<string>> {
    // From each id to the next one in the index: neither engine skips ahead so for `distinct`, which would look at every pack.
    const rows = await this.#database.read((session) =>
      session.query(
        sql<{ key_id: string }>`with recursive used (key_id) as (select min(key_id) from packs
          union all select (select min(p.key_id) from packs p where p.key_id > used.key_id) from used where used.key_id is not null)
          select key_id from used where key_id is not null`,
      ),
    );
    return new Set(rows.map((row) => row.key_id));
  }
}

function locatedBlock(row: LocatedRow): LocatedBlock {
  return {
    pack: row.pack,
    offset: row.pack_offset,
    storedLength: row.stored_length,
    length: row.length,
    encoding: row.encoding,
    packRecord: {
      pack: row.pack,
      byteLength: row.byte_length,
      keyId: row.key_id,
      wrappedKey: new Uint8Array(row.wrapped_key),
    },
  };
}
