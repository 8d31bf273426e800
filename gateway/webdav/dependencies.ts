import type { Caller } from '../../protocol/accounts.ts';
import type { BlockService } from '../../protocol/block-service.ts';
import type { Clock, Randomness } from '../../protocol/environment.ts';
import type { Leases } from '../../protocol/leases.ts';
import type { Metadata } from '../../protocol/metadata.ts';

/** What this door writes to the server's log; pino fits. */
export interface WebdavLogger {
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** How much one request may take. */
export interface WebdavLimits {
  /** Names of a directory asked of the metadata at a time, which bounds a listing's memory. */
  readonly listPage: number;
  /** Plaintext that an upload holds before it is stored: what one pack gets at least. */
  readonly uploadWindowBytes: number;
  /** Plaintext that a download reads ahead; many clients read at once, and all of it is memory. */
  readonly downloadWindowBytes: number;
  /** How often a change without preconditions starts again because somebody else was faster. */
  readonly raceAttempts: number;
  readonly lockSecondsDefault: number;
  readonly lockSecondsMax: number;
  /** How long the rest of a refused request's body is read and dropped, so that its client gets to see the answer. */
  readonly drainTimeoutMs: number;
}

export const defaultWebdavLimits: WebdavLimits = {
  listPage: 500,
  uploadWindowBytes: 4 * 1024 * 1024,
  downloadWindowBytes: 1024 * 1024,
  raceAttempts: 5,
  lockSecondsDefault: 3600,
  lockSecondsMax: 24 * 3600,
  drainTimeoutMs: 5_000,
};

/** What the WebDAV door works with. */
export interface WebdavDependencies {
  metadata(caller: Caller): Metadata;
  blocks(caller: Caller): BlockService;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: WebdavLogger;
  /** Where the tree begins in URLs, without a trailing slash: `/dav`. */
  readonly prefix: string;
  readonly limits?: WebdavLimits;
  /**
   * Whether requests that expect `100 Continue` reach the handler without one, because the server listens to
   * `checkContinue`. Then a client whose upload is refused need not send it.
   */
  readonly continuesRequests?: boolean;
}
