import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { openMetadata } from '../../../metadata/open.ts';
import type { MetadataOptions } from '../../../metadata/open.ts';
import type { Clock } from '../../../protocol/environment.ts';
import type { MetadataStore } from '../../../protocol/metadata-store.ts';
import { systemRandomness } from '../../../protocol/system-environment.ts';

/** A clock that stands still until it is told otherwise. */
export class ManualClock implements Clock {
  #nowMs = Date.parse('2026-11-22T10:00:00Z');

  nowMs(): number {
    return this.#nowMs;
  }

  nowNs(): bigint {
    return BigInt(this.#nowMs) * 1_000_000n;
  }

  async sleep(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, Math.min(ms, 20)));
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}

/** A store of its own for one test. `again` opens the same database once more, as a second gateway would. */
export interface OpenedStore {
  readonly store: MetadataStore;
  readonly clock: ManualClock;
  again(): Promise<MetadataStore>;
  close(): Promise<void>;
}

export interface Engine {
  readonly name: string;
  open(options?: MetadataOptions): Promise<OpenedStore>;
}

const quick: MetadataOptions = { passwordCost: 2 };

export const sqliteInMemory: Engine = {
  name: 'SQLite in memory',
  open: (options) => openStore('sqlite::memory:', async () => undefined, options),
};

export const postgresUrl = process.env['HOLDFAST_TEST_POSTGRES'];

/** Each store in a schema of its own, dropped when the store is closed. */
export const postgres: Engine = {
  name: 'Postgres',
  open: async (options) => {
    const schema = `holdfast_test_${randomBytes(8).toString('hex')}`;
    await administer(`create schema ${schema}`);
    const url = new URL(postgresUrl ?? '');
    url.searchParams.set('options', `-c search_path=${schema}`);
    return openStore(url.href, () => administer(`drop schema ${schema} cascade`), options);
  },
};

/** All there are on this machine; says which are missing, and why. */
export function engines(): readonly Engine[] {
  if (postgresUrl !== undefined) return [sqliteInMemory, postgres];
  console.warn('SKIPPED on Postgres: set HOLDFAST_TEST_POSTGRES (see test/services/postgres.sh)');
  return [sqliteInMemory];
}

async function openStore(
  url: string,
  dispose: () => Promise<void>,
  options: MetadataOptions = {},
): Promise<OpenedStore> {
  const clock = new ManualClock();
  const opened: MetadataStore[] = [];
  const again = async () => {
    const store = await openMetadata(url, { clock, randomness: systemRandomness }, { ...quick, ...options });
    opened.push(store);
    return store;
  };
  const close = async () => {
    for (const store of opened) await store.close();
    await dispose();
  };
  return { store: await again(), clock, again, close };
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgresUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
