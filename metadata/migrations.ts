import { sql } from 'kysely';
import type { Database, Session } from './database.ts';

/** One step of the schema, never changed once released. `{bytes}`, `{integer}` and `{text}` are the dialect's types. */
interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
  /** Tables that grow with files and lead their key with the namespace. */
  readonly grow: readonly string[];
}

/**
 * Rows of `dentries` and `inodes` live over `[since, until)` in cursors; `until is null` is now. What grows with
 * files leads its key with the namespace. Times of files are text, since neither engine's driver hands out 64-bit
 * integers without loss. Every text column compares and orders by bytes.
 *
 * `since > 0` holds for every row; it keeps a planner from using the index of the changefeed, which says so in its
 * queries, where the primary key is meant.
 */
const migrations: readonly Migration[] = [
  {
    name: '0001 accounts',
    grow: [],
    statements: [
      `create table users (id {text} primary key, name {text} not null unique, password {text} not null,
        created_ms {integer} not null)`,
      `create table devices (id {text} primary key, user_id {text} not null references users (id), kind {text} not null,
        name {text} not null, secret {text} not null unique, created_ms {integer} not null)`,
      `create index devices_of_user on devices (user_id)`,
      `create table namespaces (id {text} primary key, name {text} not null, owner {text} not null references users (id),
        cursor {integer} not null, horizon {integer} not null, quota_bytes {integer}, used_bytes {integer} not null,
        created_ms {integer} not null)`,
      `create table grants (namespace {text} not null references namespaces (id),
        user_id {text} not null references users (id), role {text} not null, primary key (namespace, user_id))`,
      `create index grants_of_user on grants (user_id)`,
    ],
  },
  {
    name: '0002 tree',
    grow: ['inodes', 'dentries', 'versions', 'commits', 'commit_results'],
    statements: [
      `create table inodes (namespace {text} not null, inode {text} not null, since {integer} not null, until {integer},
        kind {text} not null, mode {integer} not null, uid {integer}, gid {integer}, mtime_ns {text} not null,
        ctime_ns {text} not null, size {integer} not null, version {integer} not null, rdev {integer} not null,
        target {text}, xattrs {text}, primary key (namespace, inode, since))`,
      `create unique index inodes_now on inodes (namespace, inode) where until is null`,
      `create index inodes_since on inodes (namespace, since) where since > 0`,
      `create index inodes_until on inodes (namespace, until) where until is not null`,
      `create table dentries (namespace {text} not null, parent {text} not null, name {text} not null,
        inode {text} not null, since {integer} not null, until {integer},
        primary key (namespace, parent, name, since))`,
      `create unique index dentries_now on dentries (namespace, parent, name) where until is null`,
      `create index dentries_of_inode on dentries (namespace, inode, since)`,
      `create index dentries_since on dentries (namespace, since) where since > 0`,
      `create index dentries_until on dentries (namespace, until) where until is not null`,
      `create table versions (namespace {text} not null, inode {text} not null, version {integer} not null,
        size {integer} not null, entries {integer} not null, manifest {bytes} not null, author {text} not null,
        time_ms {integer} not null, primary key (namespace, inode, version))`,
      `create table commits (namespace {text} not null, cursor {integer} not null, client_commit_id {text},
        author {text}, device {text}, time_ms {integer} not null, changes {integer} not null,
        primary key (namespace, cursor))`,
      `create table commit_results (namespace {text} not null, client_commit_id {text} not null,
        result {text} not null, primary key (namespace, client_commit_id))`,
    ],
  },
  {
    name: '0003 blocks',
    grow: ['namespace_blocks'],
    statements: [
      `create table packs (pack {text} primary key, byte_length {integer} not null, key_id {text} not null,
        wrapped_key {bytes} not null)`,
      `create table blocks (hash {text} primary key, pack {text} not null references packs (pack),
        pack_offset {integer} not null, stored_length {integer} not null, length {integer} not null,
        encoding {text} not null)`,
      `create table namespace_blocks (namespace {text} not null, hash {text} not null, primary key (namespace, hash))`,
      `create table uploads (user_id {text} not null, hash {text} not null, time_ms {integer} not null,
        primary key (user_id, hash))`,
    ],
  },
  {
    name: '0004 leases',
    grow: ['leases'],
    statements: [
      `create table leases (namespace {text} not null, token {text} not null, path {text} not null,
        deep {integer} not null, exclusive {integer} not null, owner {text} not null, user_id {text} not null,
        user_name {text} not null, expires_ms {integer} not null, primary key (namespace, token))`,
      `create index leases_of_path on leases (namespace, path)`,
    ],
  },
  {
    name: '0005 keys of packs',
    grow: [],
    statements: [`create index packs_of_key on packs (key_id)`],
  },
];

/** Brings the schema up to date, once, however many gateways open the database together. */
export async function migrate(database: Database): Promise<void> {
  await database.transaction(async (session) => {
    await session.lockSchema();
    const columns = session.typed('name {text} primary key');
    await session.query(sql`create table if not exists holdfast_migrations (${sql.raw(columns)})`);
    const rows = await session.query(sql<{ name: string }>`select name from holdfast_migrations`);
    const done = new Set(rows.map((row) => row.name));
    for (const migration of migrations) if (!done.has(migration.name)) await apply(session, migration);
  });
}

async function apply(session: Session, migration: Migration): Promise<void> {
  for (const statement of migration.statements) await session.query(sql.raw(session.typed(statement)));
  for (const table of migration.grow) await session.planAlike(table);
  await session.query(sql`insert into holdfast_migrations (name) values (${migration.name})`);
}
