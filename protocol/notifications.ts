import type { Cursor, NamespaceId } from './ids.ts';

/** "Namespace N is at cursor C." It carries no authority: the receiver fetches what it may read. */
export interface Notification {
  readonly namespace: NamespaceId;
  readonly cursor: Cursor;
}

/** Where commits are announced. Listeners must not throw; a slow one may miss cursors in between, never the last. */
export interface NotificationSource {
  /** Calls `listener` after each commit until the returned function is called. */
  subscribe(listener: (notification: Notification) => void): () => void;
}
