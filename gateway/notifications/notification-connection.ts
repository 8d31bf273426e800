import type { RawData, WebSocket } from 'ws';
import type { Caller } from '../../protocol/accounts.ts';
import { isDriveError } from '../../protocol/errors.ts';
import type { Cursor, NamespaceId } from '../../protocol/ids.ts';
import type { Notification } from '../../protocol/notifications.ts';
import {
  appliedMessage,
  closeUnauthenticated,
  notificationMessage,
} from '../../protocol/wire/notification-messages.ts';
import { decodeJson, encodeJson } from '../../protocol/wire/wire-json.ts';

/** Namespaces that wait to be announced to one client; a client that far behind has to connect anew and pull. */
const pendingMax = 10_000;

/** What a client may have unread in our buffers before its notifications are only remembered. */
const unsentBytesMax = 64 * 1024;

const tryAgainLater = 1013;
const invalidPayload = 1007;

export interface NotificationConnectionParts {
  readonly socket: WebSocket;
  readonly caller: Caller;
  /** Throws `unauthenticated` once the client's token is not valid any more. */
  identify(): Promise<Caller>;
  mayRead(namespace: NamespaceId): Promise<boolean>;
  applied(commit: Notification): void;
}

/**
 * One client that listens. Of each namespace only the latest cursor waits to be sent, so a slow client costs little
 * and misses nothing that matters.
 */
export class NotificationConnection {
  readonly #parts: NotificationConnectionParts;
  readonly #pending = new Map<NamespaceId, Cursor>();
  #sending = false;
  #answered = true;

  constructor(parts: NotificationConnectionParts) {
    this.#parts = parts;
    parts.socket.on('message', (data, isBinary) => {
      this.#receive(data, isBinary);
    });
    parts.socket.on('pong', () => {
      this.#answered = true;
    });
  }

  announce({ namespace, cursor }: Notification): void {
    if (cursor <= (this.#pending.get(namespace) ?? -1)) return;
    this.#pending.set(namespace, cursor);
    if (this.#pending.size > pendingMax) this.close(tryAgainLater, 'too far behind');
    else void this.#send();
  }

  /**
   * Asks for a sign of life, or ends the connection if the last question found no answer. Ends it too once the token
   * it was opened with was revoked.
   */
  async check(): Promise<void> {
    if (!this.#answered) return this.terminate();
    this.#answered = false;
    this.#parts.socket.ping();
    try {
      await this.#parts.identify();
    } catch (error) {
      if (isDriveError(error, 'unauthenticated')) this.close(closeUnauthenticated, 'the token is no longer valid');
      else this.close(tryAgainLater, 'connect again');
    }
  }

  close(code: number, reason: string): void {
    this.#parts.socket.close(code, reason);
  }

  terminate(): void {
    this.#parts.socket.terminate();
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (const [namespace, cursor] of this.#pending) {
        this.#pending.delete(namespace);
        if (await this.#parts.mayRead(namespace))
          await this.#write(encodeJson(notificationMessage, { namespace, cursor }));
      }
    } catch {
      // Whether the client may hear of it is not known (the database is away), or it is gone. It will pull when it is back.
      this.close(tryAgainLater, 'connect again');
    } finally {
      this.#sending = false;
    }
  }

  /** Resolves at once while the client keeps up, else when its socket has taken the message. */
  async #write(message: string): Promise<void> {
    const { socket } = this.#parts;
    if (socket.readyState !== socket.OPEN) return;
    await new Promise<void>((resolve, reject) => {
      socket.send(message, (error) => {
        if (error) reject(error);
        else resolve();
      });
      if (socket.bufferedAmount < unsentBytesMax) resolve();
    });
  }

  #receive(data: RawData, isBinary: boolean): void {
    try {
      if (isBinary) throw new Error('not text');
      const { namespace, applied } = decodeJson(appliedMessage, Buffer.from(data as Buffer));
      this.#parts.applied({ namespace, cursor: applied });
    } catch {
      this.close(invalidPayload, 'not a message of this protocol');
    }
  }
}
