import { sql } from 'kysely';
import type { Accounts, Caller, DeviceInfo, IssuedSecret } from '../protocol/accounts.ts';
import type { Clock, Randomness } from '../protocol/environment.ts';
import { DriveError } from '../protocol/errors.ts';
import { cursorZero, makeId, rootInodeOf, versionZero } from '../protocol/ids.ts';
import type { Cursor, DeviceId, NamespaceId, UserId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { roles } from '../protocol/roles.ts';
import type { Role } from '../protocol/roles.ts';
import { requireRole } from './access.ts';
import type { Database, Session } from './database.ts';
import { rowOfState } from './inode-rows.ts';
import { PasswordCache } from './password-cache.ts';
import { hashSecret, makeSecret, Passwords } from './passwords.ts';

const passwordCharactersMax = 1_024;
const firstCursor = 1 as Cursor;

/** Users, devices, namespaces and grants in SQL. */
export class SqlAccounts implements Accounts {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #randomness: Randomness;
  readonly #passwords: Passwords;
  readonly #cache: PasswordCache;

  constructor(database: Database, environment: { clock: Clock; randomness: Randomness }, passwordCost: number) {
    this.#database = database;
    this.#clock = environment.clock;
    this.#randomness = environment.randomness;
    this.#passwords = new Passwords(environment.randomness, passwordCost);
    this.#cache = new PasswordCache(environment.clock, environment.randomness);
  }

  async createUser(name: string, password: string): Promise<{ user: UserId; namespace: NamespaceId }> {
    checkLabel(name, 'a user name');
    if (name.includes(':') || name.includes('/')) {
      throw new DriveError('invalidArgument', 'a user name cannot contain ":" or "/"');
    }
    checkPassword(password);
    const hash = await this.#passwords.hash(password);
    return this.#database.transaction(async (session) => {
      const user = makeId<UserId>(this.#clock, this.#randomness);
      const made = await session.query(
        sql`insert into users (id, name, password, created_ms) values (${user}, ${name}, ${hash}, ${this.#clock.nowMs()})
          on conflict do nothing returning id`,
      );
      if (made.length === 0) throw new DriveError('exists', `there is a user "${name}" already`);
      return { user, namespace: await this.#makeNamespace(session, { user, userName: name, device: null }, name) };
    });
  }

  async userCount(): Promise<number> {
    const row = await this.#database.read((session) =>
      session.first(sql<{ count: number }>`select count(*) as count from users`),
    );
    return row?.count ?? 0;
  }

  async verifyPassword(name: string, password: string): Promise<Caller> {
    const user = await this.#database.read((session) =>
      session.first(
        sql<{ id: UserId; password: string }>`select id, password from users where name = ${storable(name)}`,
      ),
    );
    const right = await this.#passwords.verify(password.slice(0, passwordCharactersMax + 1), user?.password);
    if (!right || user === undefined) throw new DriveError('unauthenticated', 'the user name or password is wrong');
    return { user: user.id, userName: name, device: null };
  }

  async verifyBasic(name: string, password: string): Promise<Caller> {
    const caller = await this.#bySecret(password, 'app');
    if (caller?.userName === name) return caller;
    return this.#cache.caller(name, password, () => this.verifyPassword(name, password));
  }

  async verifyToken(token: string): Promise<Caller> {
    const caller = await this.#bySecret(token, 'device');
    if (caller === undefined)
      throw new DriveError('unauthenticated', 'the device token is wrong or was revoked; log in');
    return caller;
  }

  async issueSecret(caller: Caller, kind: DeviceInfo['kind'], name: string): Promise<IssuedSecret> {
    checkLabel(name, 'a device name');
    const device = makeId<DeviceId>(this.#clock, this.#randomness);
    const secret = makeSecret(this.#randomness);
    await this.#database.transaction((session) =>
      session.query(
        sql`insert into devices (id, user_id, kind, name, secret, created_ms)
          values (${device}, ${caller.user}, ${kind}, ${name}, ${hashSecret(secret)}, ${this.#clock.nowMs()})`,
      ),
    );
    return { device, secret };
  }

  async devices(caller: Caller): Promise<readonly DeviceInfo[]> {
    type Row = { id: DeviceId; name: string; kind: DeviceInfo['kind']; created_ms: number };
    const rows = await this.#database.read((session) =>
      session.query(
        sql<Row>`select id, name, kind, created_ms from devices where user_id = ${caller.user} order by created_ms, id`,
      ),
    );
    return rows.map((row) => ({ device: row.id, name: row.name, kind: row.kind, createdMs: row.created_ms }));
  }

  async revoke(caller: Caller, device: DeviceId): Promise<void> {
    const removed = await this.#database.transaction((session) =>
      session.query(sql`delete from devices where id = ${device} and user_id = ${caller.user} returning id`),
    );
    this.#cache.forget(caller.user);
    if (removed.length === 0) throw new DriveError('notFound', 'you have no such device');
  }

  async createNamespace(caller: Caller, name: string): Promise<NamespaceId> {
    checkLabel(name, 'the name of a namespace');
    return this.#database.transaction((session) => this.#makeNamespace(session, caller, name));
  }

  async grant(caller: Caller, namespace: NamespaceId, userName: string, role: Role | null): Promise<void> {
    if (role !== null && !roles.includes(role)) throw new DriveError('invalidArgument', 'there is no such role');
    await this.#database.transaction(async (session) => {
      const access = await requireRole(session, caller, namespace, 'owner', 'lock');
      const user = await session.first(sql<{ id: string }>`select id from users where name = ${storable(userName)}`);
      if (user === undefined) throw new DriveError('notFound', `there is no user "${userName.slice(0, 80)}"`);
      if (user.id === access.owner && role !== 'owner') {
        throw new DriveError('invalidArgument', `"${access.name}" belongs to ${userName}, who stays its owner`);
      }
      await session.query(sql`delete from grants where namespace = ${namespace} and user_id = ${user.id}`);
      if (role === null) return;
      await session.query(
        sql`insert into grants (namespace, user_id, role) values (${namespace}, ${user.id}, ${role})`,
      );
    });
  }

  async roleOf(caller: Caller, namespace: NamespaceId): Promise<Role | null> {
    const row = await this.#database.read((session) =>
      session.first(
        sql<{ role: Role }>`select role from grants where namespace = ${namespace} and user_id = ${caller.user}`,
      ),
    );
    return row?.role ?? null;
  }

  async #bySecret(secret: string, kind: DeviceInfo['kind']): Promise<Caller | undefined> {
    type Row = { id: DeviceId; user_id: UserId; name: string };
    const row = await this.#database.read((session) =>
      session.first(
        sql<Row>`select d.id, d.user_id, u.name from devices d join users u on u.id = d.user_id
          where d.secret = ${hashSecret(secret)} and d.kind = ${kind}`,
      ),
    );
    return row === undefined ? undefined : { user: row.user_id, userName: row.name, device: row.id };
  }

  /** A namespace starts at cursor 1, the commit that made its root, so that 0 is before everything in it. */
  async #makeNamespace(session: Session, caller: Caller, name: string): Promise<NamespaceId> {
    const namespace = makeId<NamespaceId>(this.#clock, this.#randomness);
    const nowMs = this.#clock.nowMs();
    const nowNs = this.#clock.nowNs();
    await session.query(
      sql`insert into namespaces (id, name, owner, cursor, horizon, quota_bytes, used_bytes, created_ms)
        values (${namespace}, ${name}, ${caller.user}, ${firstCursor}, ${cursorZero}, null, 0, ${nowMs})`,
    );
    await session.query(
      sql`insert into grants (namespace, user_id, role) values (${namespace}, ${caller.user}, 'owner')`,
    );
    await session.query(
      sql`insert into commits (namespace, cursor, client_commit_id, author, device, time_ms, changes)
        values (${namespace}, ${firstCursor}, null, ${caller.userName}, ${caller.device}, ${nowMs}, 1)`,
    );
    const root = {
      ...({ inode: rootInodeOf(namespace), kind: 'directory', mode: 0o755, uid: null, gid: null, rdev: 0 } as const),
      ...{ mtimeNs: nowNs, ctimeNs: nowNs, size: 0, version: versionZero, target: null, xattrs: new Map() },
    };
    await session.insert('inodes', [rowOfState(namespace, root, firstCursor)]);
    return namespace;
  }
}

function checkLabel(text: string, what: string): void {
  const characters = [...text].length;
  const clean = text.isWellFormed() && text.trim() === text && !/\p{Cc}/u.test(text);
  if (characters < 1 || characters > limits.userNameCharactersMax || !clean) {
    throw new DriveError(
      'invalidArgument',
      `${what} has 1 to ${limits.userNameCharactersMax} characters, no control characters and no space at its ends`,
    );
  }
}

function checkPassword(password: string): void {
  if (password.length < 1 || password.length > passwordCharactersMax) {
    throw new DriveError('invalidArgument', `a password has 1 to ${passwordCharactersMax} characters`);
  }
}

/** Postgres takes no NUL in text; no name has one, so a text that does is as good as any other unknown name. */
function storable(text: string): string {
  return text.replaceAll('\0', '\u{fffd}');
}
