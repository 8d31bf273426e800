import pg from 'pg';
import { sql } from 'kysely';
import type { Clock, Randomness } from '../protocol/environment.ts';
import type { Cursor, NamespaceId } from '../protocol/ids.ts';
import type { Notification, NotificationSource } from '../protocol/notifications.ts';
import type { Database, Session } from './database.ts';
import { announcementChannel } from './dialect.ts';
import type { PostgresAddress } from './dialect.ts';

const retryMsMin = 200;
const retryMsMax = 10_000;
const catchUpPage = 1_000;

/**
 * Announces commits: to this process as they happen, and from other gateways over a connection that listens. When
 * that connection was lost, all namespaces are announced once at their present cursor, since any may have moved.
 */
export class Announcements implements NotificationSource {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #address: PostgresAddress | null;
  readonly #listeners = new Set<(notification: Notification) => void>();
  readonly #closing = new AbortController();
  /** Marks what this process said itself. */
  readonly #origin: string;
  #following: Promise<void> | null = null;

  constructor(
    database: Database,
    environment: { clock: Clock; randomness: Randomness },
    address: PostgresAddress | null,
  ) {
    this.#database = database;
    this.#clock = environment.clock;
    this.#origin = Buffer.from(environment.randomness.bytes(8)).toString('hex');
    this.#address = address;
  }

  /** Starts to listen; resolves once other gateways are heard. */
  async start(): Promise<void> {
    if (this.#address === null) return;
    const first = await this.#connect(this.#address);
    this.#following = this.#follow(this.#address, first);
  }

  subscribe(listener: (notification: Notification) => void): () => void {
    // A wrapper, so that one function subscribed twice is called twice and unsubscribed one at a time.
    const entry = (notification: Notification) => listener(notification);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  announce(notification: Notification): void {
    for (const listener of [...this.#listeners]) listener(notification);
  }

  /** Has the other gateways hear of it once the transaction is durable. */
  async tellOthers(session: Session, { namespace, cursor }: Notification): Promise<void> {
    await session.announce(`${namespace} ${cursor} ${this.#origin}`);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#following;
    this.#listeners.clear();
  }

  async #connect(address: PostgresAddress): Promise<Listening> {
    const client = new pg.Client({ ...address, keepAlive: true });
    const lost = new Promise<void>((resolve) => {
      client.on('error', () => resolve());
      client.on('end', () => resolve());
    });
    client.on('notification', (message) => this.#hear(message.payload ?? ''));
    try {
      await client.connect();
      await client.query(`listen ${announcementChannel}`);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    return { client, lost };
  }

  async #follow(address: PostgresAddress, first: Listening): Promise<void> {
    let listening: Listening | undefined = first;
    let retryMs = retryMsMin;
    while (!this.#closing.signal.aborted) {
      if (listening !== undefined) await this.#untilLost(listening);
      if (this.#closing.signal.aborted) return;
      try {
        listening = await this.#connect(address);
        retryMs = retryMsMin;
        await this.#announceAll();
      } catch {
        // The database is away; every other call reports that. This one waits, a little longer each time.
        listening = undefined;
        await this.#clock.sleep(retryMs, this.#closing.signal).catch(() => undefined);
        retryMs = Math.min(retryMs * 2, retryMsMax);
      }
    }
  }

  async #untilLost({ client, lost }: Listening): Promise<void> {
    const signal = this.#closing.signal;
    const closed = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([lost, closed]);
    await client.end().catch(() => undefined);
  }

  async #announceAll(): Promise<void> {
    type Row = { id: NamespaceId; cursor: Cursor };
    let after = '';
    for (;;) {
      const rows: readonly Row[] = await this.#database.read((session) =>
        session.query(sql<Row>`select id, cursor from namespaces where id > ${after} order by id limit ${catchUpPage}`),
      );
      for (const row of rows) this.announce({ namespace: row.id, cursor: row.cursor });
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  #hear(payload: string): void {
    const found = /^([0-9a-f]{32}) (\d{1,16}) ([0-9a-f]+)$/.exec(payload);
    if (found === null || found[3] === this.#origin) return;
    this.announce({ namespace: found[1] as NamespaceId, cursor: Number(found[2]) as Cursor });
  }
}

/** A connection that listens; `lost` resolves when it does so no more. */
interface Listening {
  readonly client: pg.Client;
  readonly lost: Promise<void>;
}
