import { sql } from 'kysely';
import type { Accounts, Caller } from '../protocol/accounts.ts';
import type { BlockEntitlements, BlockIndex } from '../protocol/block-index.ts';
import type { Clock, Randomness } from '../protocol/environment.ts';
import { DriveError } from '../protocol/errors.ts';
import type { Leases } from '../protocol/leases.ts';
import type { MetadataStore } from '../protocol/metadata-store.ts';
import type { Metadata } from '../protocol/metadata.ts';
import type { NotificationSource } from '../protocol/notifications.ts';
import { Announcements } from './announcements.ts';
import { Database } from './database.ts';
import { dialectOf } from './dialect.ts';
import { migrate } from './migrations.ts';
import { SqlAccounts } from './sql-accounts.ts';
import { SqlBlockIndex } from './sql-block-index.ts';
import { SqlEntitlements } from './sql-entitlements.ts';
import { SqlLeases } from './sql-leases.ts';
import { SqlMetadata } from './sql-metadata.ts';

/** What a store may know of the world. */
export interface MetadataEnvironment {
  readonly clock: Clock;
  readonly randomness: Randomness;
}

export interface MetadataOptions {
  /** scrypt's N, a power of two. Tests lower it; the default takes about a tenth of a second and 32 MiB a login. */
  readonly passwordCost?: number;
  /** Hears the text of each statement sent to the database. */
  readonly onStatement?: (text: string) => void;
}

const defaultPasswordCost = 2 ** 15;

/**
 * Opens the metadata in `sqlite:FILE`, `sqlite::memory:` or `postgres://…`, and brings its schema up to date, which
 * is safe when several gateways open one database together. The caller owns the store and closes it. Throws
 * `invalidArgument` for another URL and `unavailable` if the database does not answer.
 */
export async function openMetadata(
  url: string,
  environment: MetadataEnvironment,
  options: MetadataOptions = {},
): Promise<MetadataStore> {
  const dialect = dialectOf(url);
  const database = new Database(dialect, options.onStatement);
  const announcements = new Announcements(database, environment, dialect.listen);
  try {
    await migrate(database);
    await announcements.start();
  } catch (error) {
    await database.close();
    throw dialect.explain(error) ?? error;
  }
  return new SqlMetadataStore(database, announcements, environment, options.passwordCost ?? defaultPasswordCost);
}

class SqlMetadataStore implements MetadataStore {
  readonly accounts: Accounts;
  readonly leases: Leases;
  readonly blockIndex: BlockIndex;
  readonly entitlements: BlockEntitlements;
  readonly notifications: NotificationSource;
  readonly #database: Database;
  readonly #announcements: Announcements;
  readonly #environment: MetadataEnvironment;
  #closed: Promise<void> | null = null;

  constructor(
    database: Database,
    announcements: Announcements,
    environment: MetadataEnvironment,
    passwordCost: number,
  ) {
    this.#database = database;
    this.#announcements = announcements;
    this.#environment = environment;
    this.accounts = new SqlAccounts(database, environment, passwordCost);
    this.leases = new SqlLeases(database, environment);
    this.blockIndex = new SqlBlockIndex(database);
    this.entitlements = new SqlEntitlements(database, environment.clock);
    this.notifications = announcements;
  }

  as(caller: Caller): Metadata {
    const { clock, randomness } = this.#environment;
    const parts = { database: this.#database, announcements: this.#announcements, clock, randomness };
    return new SqlMetadata(parts, caller);
  }

  async ping(): Promise<void> {
    try {
      await this.#database.read((session) => session.query(sql`select 1`));
    } catch (error) {
      throw new DriveError('unavailable', 'the database does not answer', { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#closed ??= this.#announcements.close().then(() => this.#database.close());
    return this.#closed;
  }
}
