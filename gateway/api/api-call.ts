import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Caller } from '../../protocol/accounts.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import type { MetadataStore } from '../../protocol/metadata-store.ts';
import type { Metadata } from '../../protocol/metadata.ts';
import type { Authenticator } from '../authenticator.ts';
import type { DriveBlocks } from '../drive-blocks.ts';
import type { SyncLatency } from '../notifications/sync-latency.ts';
import type { RequestBodies } from '../request-body.ts';

/** One call of the API under way. */
export interface ApiCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborts once the client is gone. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly store: MetadataStore;
  readonly authenticator: Authenticator;
  readonly bodies: RequestBodies;
  readonly syncLatency: SyncLatency;
}

/** A call whose caller has shown a token. */
export interface CallerCall extends ApiCall {
  readonly caller: Caller;
  readonly metadata: Metadata;
}

/** A call about one namespace. That the caller may do what he asks for is checked by `metadata` and `blocks`. */
export interface NamespaceCall extends CallerCall {
  readonly namespace: NamespaceId;
  readonly blocks: DriveBlocks;
}
