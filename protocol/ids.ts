import type { Brand } from './brand.ts';
import { DriveError } from './errors.ts';
import type { Clock, Randomness } from './environment.ts';

/**
 * Ids are 128 bits, written as 32 lower-case hexadecimal digits, and made by whoever creates the object,
 * offline included. The first 48 bits are the millisecond of creation (as in RFC 9562 §5.7), so that rows made
 * together lie together in an index; the other 80 are random.
 */
export type UserId = Brand<string, 'UserId'>;
export type DeviceId = Brand<string, 'DeviceId'>;
export type NamespaceId = Brand<string, 'NamespaceId'>;
export type InodeId = Brand<string, 'InodeId'>;
export type PackId = Brand<string, 'PackId'>;
/** Names one attempt to commit; a retry carries the same id and gets the first result. */
export type ClientCommitId = Brand<string, 'ClientCommitId'>;

type AnyId = UserId | DeviceId | NamespaceId | InodeId | PackId | ClientCommitId;

/** A namespace's position: it grows by one with each commit; 0 is before the first. */
export type Cursor = Brand<number, 'Cursor'>;

/**
 * Names one content state of an inode: the cursor of the commit that made it. 0 means "no content yet".
 * `(inode, version)` is immutable and unique.
 */
export type Version = Brand<number, 'Version'>;

/**
 * Names one commit of one history, 32 lower-case hexadecimal digits, opaque to all but the server. A database that is put back from a
 * backup gives the same cursors to other commits, but never the same mark to two of them: logs that have one mark at one cursor
 * are the same up to there.
 */
export type CommitMark = Brand<string, 'CommitMark'>;

/** The SHA-256 of a block's plaintext, 64 lower-case hexadecimal digits. */
export type BlockHash = Brand<string, 'BlockHash'>;

export const cursorZero = 0 as Cursor;
export const versionZero = 0 as Version;

const idPattern = /^[0-9a-f]{32}$/;
const hashPattern = /^[0-9a-f]{64}$/;

/** Makes a fresh id of the wanted kind. */
export function makeId<Id extends AnyId>(clock: Clock, randomness: Randomness): Id {
  const time = Math.floor(clock.nowMs()).toString(16).padStart(12, '0').slice(-12);
  return (time + Buffer.from(randomness.bytes(10)).toString('hex')) as Id;
}

/** Reads an id from the outside; throws `invalidArgument` unless it is 32 lower-case hexadecimal digits. */
export function parseId<Id extends AnyId>(text: string): Id {
  if (!idPattern.test(text)) throw new DriveError('invalidArgument', `"${text.slice(0, 80)}" is not an id`);
  return text as Id;
}

/** Reads a block hash from the outside; throws `invalidArgument` unless it is 64 lower-case hexadecimal digits. */
export function parseBlockHash(text: string): BlockHash {
  if (!hashPattern.test(text)) throw new DriveError('invalidArgument', `"${text.slice(0, 80)}" is not a block hash`);
  return text as BlockHash;
}

/** Whether `value` can be a cursor or a version: a non-negative safe integer. */
export function isPosition(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** A namespace's root directory has the namespace's own id, so that nobody has to ask for it. */
export function rootInodeOf(namespace: NamespaceId): InodeId {
  return namespace as string as InodeId;
}
