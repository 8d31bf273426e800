import type { ChangeBatch } from './changes.ts';
import type { CommitMark, Cursor, InodeId, NamespaceId, Version } from './ids.ts';
import type { InodeState } from './inode-state.ts';
import type { Manifest } from './manifest.ts';
import type { CommitRequest, CommitResult, Place } from './operations.ts';
import type { Role } from './roles.ts';

/** A namespace as one user sees it. */
export interface NamespaceInfo {
  readonly id: NamespaceId;
  readonly name: string;
  readonly role: Role;
  readonly cursor: Cursor;
  /** `null`: no limit. */
  readonly quotaBytes: number | null;
  /** Logical bytes of head versions. */
  readonly usedBytes: number;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly state: InodeState;
}

/** One page of a directory in the byte order of names. `next` is to be passed as `after`; `null` at the end. */
export interface DirectoryPage {
  readonly entries: readonly DirectoryEntry[];
  readonly next: string | null;
}

/** One content state that has stood at a place. Together with its inode it can be read and restored. */
export interface VersionInfo {
  readonly inode: InodeId;
  readonly version: Version;
  readonly size: number;
  readonly timeMs: number;
  readonly author: string;
}

/** A past moment to look at instead of now. */
export interface At {
  readonly cursor?: Cursor;
}

/**
 * The tree, as one authenticated caller sees it. The server implements it over SQL, the mount over HTTP; one
 * conformance suite holds for both.
 *
 * Every call checks the caller's role: a namespace the caller has no role in is `notFound` (its existence is
 * not told), a role that does not suffice is `forbidden`. Reading needs `read`, `commit` needs `write`. All
 * reads are of committed state, and a read after an acknowledged commit sees it.
 */
export interface Metadata {
  /** The namespaces the caller has a role in, its own first. */
  namespaces(): Promise<readonly NamespaceInfo[]>;

  namespace(namespace: NamespaceId): Promise<NamespaceInfo>;

  /**
   * Applies a batch atomically and durably: it is all there or not at all, and once it is answered it is on disk.
   * A repeated `clientCommitId` changes nothing and gets the first result. Malformed operations throw
   * (`invalidArgument`, `invalidName`, `nameTooLong`, `tooLarge`), a position that is not in the log throws `gone`, a manifest that names a block the caller may
   * not name throws `forbidden`, a full quota `quotaExceeded`; in each case nothing is changed.
   */
  commit(namespace: NamespaceId, request: CommitRequest): Promise<CommitResult>;

  /**
   * The changes after cursor `after`, whole commits in order, up to and including `upTo` (default: the cursor at
   * the time of the call). Throws `gone` where history was cut, where it does not reach `after`, and where the commit at `after` is
   * not the one with this `mark` (an older database was put back, and went on otherwise): start again from 0. From 0, no mark is looked at.
   */
  changes(namespace: NamespaceId, after: Cursor, upTo?: Cursor, mark?: CommitMark): AsyncIterable<ChangeBatch>;

  /** What `name` in `parent` leads to; throws `notFound`, or `notDirectory` if `parent` is none. */
  lookup(namespace: NamespaceId, place: Place, at?: At): Promise<InodeState>;

  /** Walks from the root; symlinks are not followed. Throws `notFound` or `notDirectory`. The empty path is the root. */
  resolve(namespace: NamespaceId, path: readonly string[], at?: At): Promise<InodeState>;

  /** One page of at most `limit` entries (and never more than `limits.listPageMax`), those after name `after`. */
  list(
    namespace: NamespaceId,
    directory: InodeId,
    page: { readonly after?: string; readonly limit?: number },
    at?: At,
  ): Promise<DirectoryPage>;

  inode(namespace: NamespaceId, inode: InodeId, at?: At): Promise<InodeState>;

  /** The manifest of one version; throws `notFound` if there is no such version. Version 0 is the empty manifest. */
  manifest(namespace: NamespaceId, inode: InodeId, version: Version): Promise<Manifest>;

  /**
   * The versions that have stood at a place, newest first: those of the file there now, of files it replaced
   * (programs save by renaming over), and of one deleted there.
   */
  versions(namespace: NamespaceId, place: Place): Promise<readonly VersionInfo[]>;
}
