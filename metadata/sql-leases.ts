import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { Caller } from '../protocol/accounts.ts';
import type { Clock, Randomness } from '../protocol/environment.ts';
import { DriveError } from '../protocol/errors.ts';
import type { NamespaceId, UserId } from '../protocol/ids.ts';
import type { Lease, LeaseRequest, Leases } from '../protocol/leases.ts';
import { checkName } from '../protocol/names.ts';
import { requireRole } from './access.ts';
import type { Database, Session } from './database.ts';

const ownerBytesMax = 4 * 1024;
const durationMsMax = 7 * 24 * 60 * 60 * 1000;
const pathDepthMax = 4_096;

interface LeaseRow {
  readonly token: string;
  readonly path: string;
  readonly deep: number;
  readonly exclusive: number;
  readonly owner: string;
  readonly user_id: UserId;
  readonly user_name: string;
  readonly expires_ms: number;
}

const leaseColumns = sql.raw('token, path, deep, exclusive, owner, user_id, user_name, expires_ms');

/**
 * Leases in SQL. A path is stored with a slash before each name and after the last, so that all below it are one
 * range of bytes; the root is "/". Every writing call holds the namespace's row, so of two that collide one waits.
 */
export class SqlLeases implements Leases {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #randomness: Randomness;

  constructor(database: Database, environment: { clock: Clock; randomness: Randomness }) {
    this.#database = database;
    this.#clock = environment.clock;
    this.#randomness = environment.randomness;
  }

  async acquire(caller: Caller, namespace: NamespaceId, request: LeaseRequest): Promise<Lease> {
    checkPath(request.path);
    checkDuration(request.durationMs);
    if (Buffer.byteLength(request.owner) > ownerBytesMax) {
      throw new DriveError('tooLarge', `the owner of a lock has at most ${ownerBytesMax} bytes`);
    }
    return this.#writing(caller, namespace, async (session) => {
      await this.#dropExpired(session, namespace);
      for (const other of await this.#standing(session, namespace, request.path, request.deep)) {
        if (!request.exclusive && other.exclusive === 0) continue;
        throw new DriveError('locked', `/${request.path.join('/')} is locked by ${other.user_name}`);
      }
      const lease: Lease = {
        token: this.#makeToken(),
        path: [...request.path],
        deep: request.deep,
        exclusive: request.exclusive,
        owner: request.owner.toWellFormed().replaceAll('\0', '\u{fffd}'),
        userName: caller.userName,
        expiresMs: this.#clock.nowMs() + request.durationMs,
      };
      await session.query(
        sql`insert into leases (namespace, ${leaseColumns}) values (${namespace}, ${lease.token},
          ${storedPath(lease.path)}, ${lease.deep ? 1 : 0}, ${lease.exclusive ? 1 : 0}, ${lease.owner}, ${caller.user},
          ${lease.userName}, ${lease.expiresMs})`,
      );
      return lease;
    });
  }

  async refresh(caller: Caller, namespace: NamespaceId, token: string, durationMs: number): Promise<Lease> {
    checkDuration(durationMs);
    return this.#writing(caller, namespace, async (session) => {
      const row = await this.#own(session, caller, namespace, token);
      const expiresMs = this.#clock.nowMs() + durationMs;
      await session.query(
        sql`update leases set expires_ms = ${expiresMs} where namespace = ${namespace} and token = ${row.token}`,
      );
      return leaseOf({ ...row, expires_ms: expiresMs });
    });
  }

  async release(caller: Caller, namespace: NamespaceId, token: string): Promise<void> {
    await this.#writing(caller, namespace, async (session) => {
      const row = await this.#own(session, caller, namespace, token);
      await session.query(sql`delete from leases where namespace = ${namespace} and token = ${row.token}`);
    });
  }

  async covering(
    caller: Caller,
    namespace: NamespaceId,
    path: readonly string[],
    below: boolean,
  ): Promise<readonly Lease[]> {
    checkPath(path);
    return this.#database.read(async (session) => {
      await requireRole(session, caller, namespace, 'read');
      return (await this.#standing(session, namespace, path, below)).map(leaseOf);
    });
  }

  async dropUnder(caller: Caller, namespace: NamespaceId, path: readonly string[]): Promise<void> {
    checkPath(path);
    await this.#writing(caller, namespace, (session) =>
      session.query(sql`delete from leases where namespace = ${namespace} and ${atOrBelow(path)}`),
    );
  }

  async #writing<Result>(
    caller: Caller,
    namespace: NamespaceId,
    work: (session: Session) => Promise<Result>,
  ): Promise<Result> {
    return this.#database.transaction(async (session) => {
      await requireRole(session, caller, namespace, 'write', 'lock');
      return work(session);
    });
  }

  /** The leases on `path`, the deep ones above it and, if `below`, all under it. */
  async #standing(
    session: Session,
    namespace: NamespaceId,
    path: readonly string[],
    below: boolean,
  ): Promise<readonly LeaseRow[]> {
    const above = path.map((_, depth) => storedPath(path.slice(0, depth)));
    const here = below ? atOrBelow(path) : sql`path = ${storedPath(path)}`;
    return session.query(
      sql<LeaseRow>`select ${leaseColumns} from leases
        where namespace = ${namespace} and expires_ms > ${this.#clock.nowMs()}
        and (${here} or deep = 1 and path in (select value from ${session.list(above)} as above))
        order by path, token`,
    );
  }

  async #own(session: Session, caller: Caller, namespace: NamespaceId, token: string): Promise<LeaseRow> {
    const row = await session.first(
      sql<LeaseRow>`select ${leaseColumns} from leases where namespace = ${namespace}
        and token = ${token.replaceAll('\0', '')} and expires_ms > ${this.#clock.nowMs()}`,
    );
    if (row === undefined) throw new DriveError('notFound', 'there is no such lock, or it has expired');
    if (row.user_id !== caller.user) throw new DriveError('forbidden', `that lock belongs to ${row.user_name}`);
    return row;
  }

  async #dropExpired(session: Session, namespace: NamespaceId): Promise<void> {
    await session.query(
      sql`delete from leases where namespace = ${namespace} and expires_ms <= ${this.#clock.nowMs()}`,
    );
  }

  /** A random UUID (RFC 9562 §5.4) as a URN, as RFC 4918 §6.5 suggests. */
  #makeToken(): string {
    const bytes = Buffer.from(this.#randomness.bytes(16));
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
    const hex = bytes.toString('hex');
    const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
    return `urn:uuid:${parts.join('-')}`;
  }
}

function storedPath(path: readonly string[]): string {
  return path.length === 0 ? '/' : `/${path.join('/')}/`;
}

/** "0" follows "/" in ASCII, so all paths that start with `/a/b/` lie before `/a/b0`. */
function atOrBelow(path: readonly string[]): RawBuilder<boolean> {
  const stored = storedPath(path);
  return sql`(path >= ${stored} and path < ${`${stored.slice(0, -1)}0`})`;
}

function leaseOf(row: LeaseRow): Lease {
  return {
    token: row.token,
    path: row.path.split('/').filter((name) => name !== ''),
    deep: row.deep === 1,
    exclusive: row.exclusive === 1,
    owner: row.owner,
    userName: row.user_name,
    expiresMs: row.expires_ms,
  };
}

function checkPath(path: readonly string[]): void {
  if (path.length > pathDepthMax) throw new DriveError('tooLarge', `a path has at most ${pathDepthMax} names`);
  for (const name of path) checkName(name);
}

function checkDuration(durationMs: number): void {
  if (!Number.isSafeInteger(durationMs) || durationMs < 1 || durationMs > durationMsMax) {
    throw new DriveError('invalidArgument', `a lock lasts from 1 ms to ${durationMsMax} ms`);
  }
}
