import type { Accounts, Caller } from './accounts.ts';
import type { BlockEntitlements, BlockIndex } from './block-index.ts';
import type { Leases } from './leases.ts';
import type { Metadata } from './metadata.ts';
import type { NotificationSource } from './notifications.ts';

/** Everything a server keeps in SQL, behind one owner that closes it. */
export interface MetadataStore {
  /** The tree as `caller` sees it; cheap, one a request. */
  as(caller: Caller): Metadata;
  readonly accounts: Accounts;
  readonly leases: Leases;
  readonly blockIndex: BlockIndex;
  readonly entitlements: BlockEntitlements;
  readonly notifications: NotificationSource;
  /** Whether the database answers; throws `unavailable` if not. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
