import { z } from 'zod';
import type { Notification } from '../notifications.ts';
import { cursor, namespaceId } from './scalars.ts';
import type { WireSchema } from './wire-json.ts';

/** Server to client, one a WebSocket message: a namespace that the caller may read is at this cursor. */
export const notificationMessage: WireSchema<Notification> = z.strictObject({ namespace: namespaceId, cursor });

/** Client to server: this device has applied the namespace's changes up to that cursor. */
export interface AppliedMessage {
  readonly namespace: Notification['namespace'];
  readonly applied: Notification['cursor'];
}

export const appliedMessage: WireSchema<AppliedMessage> = z.strictObject({ namespace: namespaceId, applied: cursor });

/** No message of either side is longer. */
export const messageBytesMax = 4096;

/** The token stopped being valid while the connection was open (a close code of our own, RFC 6455 §7.4.2). */
export const closeUnauthenticated = 4401;
