import type { Ino } from '../replica/local-inode.ts';

/** What the filesystem tells and asks the sync engine. The first two must be cheap: they are called for every change. */
export interface SyncHints {
  /** Something in the tree or a file became dirty. */
  changed(): void;
  /** A file that was written to was closed: its content is likely to be whole. */
  contentClosed(ino: Ino): void;
  /** Resolves when all that is dirty of `ino` at the time of the call is committed; throws `timeout` if that takes too long. */
  committed(ino: Ino, signal: AbortSignal): Promise<void>;
}
