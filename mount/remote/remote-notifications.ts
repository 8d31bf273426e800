import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import type { Clock, Randomness } from '../../protocol/environment.ts';
import type { Notification } from '../../protocol/notifications.ts';
import { appliedMessage, messageBytesMax, notificationMessage } from '../../protocol/wire/notification-messages.ts';
import { decodeJson, encodeJson } from '../../protocol/wire/wire-json.ts';
import { notificationsPath } from '../../protocol/wire/wire-version.ts';
import type { RemoteServer } from './remote-server.ts';

/** Who wants to know. Calls come one at a time and must not throw. */
export interface NotificationListener {
  /** Whether the server is heard now; called when that changes, and after each attempt to connect that failed. */
  connected(isConnected: boolean): void;
  notified(notification: Notification): void;
  /** A connection stands (again): what was said before it was not heard, so every namespace is to be pulled. */
  pullDue(): void;
}

export interface NotificationTimings {
  readonly connectMs: number;
  /** How often the server is asked for a sign of life, and how long it has to give one. */
  readonly pingMs: number;
  readonly retryMsMin: number;
  readonly retryMsMax: number;
}

export const defaultNotificationTimings: NotificationTimings = {
  connectMs: 10_000,
  pingMs: 20_000,
  retryMsMin: 200,
  retryMsMax: 30_000,
};

export interface RemoteNotificationsOptions {
  readonly server: RemoteServer;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly listener: NotificationListener;
  readonly timings?: NotificationTimings;
}

/** Messages to the server beyond this are dropped: they only measure latency. */
const unsentBytesMax = 64 * 1024;

/** Hears of commits, and connects again whenever the connection is lost, until it is closed. */
export class RemoteNotifications {
  readonly #options: RemoteNotificationsOptions;
  readonly #timings: NotificationTimings;
  readonly #closing = new AbortController();
  #socket: WebSocket | undefined;
  #running: Promise<void> | undefined;

  constructor(options: RemoteNotificationsOptions) {
    this.#options = options;
    this.#timings = options.timings ?? defaultNotificationTimings;
  }

  /** Begins to connect; what comes of it goes to the listener. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Tells the server what this device has applied, from which it measures sync latency. Lost while not connected. */
  reportApplied({ namespace, cursor }: Notification): void {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > unsentBytesMax) return;
    socket.send(encodeJson(appliedMessage, { namespace, applied: cursor }));
  }

  /** Ends the connection for good; after it resolved the listener is not called any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#socket?.terminate();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      const wasConnected = await this.#connection();
      failures = wasConnected ? 0 : failures + 1;
      await this.#pause(failures);
    }
  }

  /** Waits before the next attempt: longer after each failure, and never in step with other clients. */
  async #pause(failures: number): Promise<void> {
    const { retryMsMin, retryMsMax } = this.#timings;
    const fullMs = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(failures, 20));
    const share = Buffer.from(this.#options.randomness.bytes(2)).readUInt16LE(0) / 0x1_0000;
    try {
      await this.#options.clock.sleep(fullMs * (0.5 + share / 2), this.#closing.signal);
    } catch {
      // Closed meanwhile: the loop ends.
    }
  }

  /** One connection from beginning to end; resolves with whether it ever stood. */
  async #connection(): Promise<boolean> {
    const { listener, server } = this.#options;
    const url = new URL(notificationsPath, server.url);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${server.token}` },
      handshakeTimeout: this.#timings.connectMs,
      maxPayload: messageBytesMax,
      perMessageDeflate: false,
      ...(server.ca === undefined ? {} : { ca: server.ca }),
    });
    this.#socket = socket;
    let stood = false;
    socket.once('open', () => {
      stood = true;
      listener.connected(true);
      listener.pullDue();
    });
    socket.on('message', (data, isBinary) => {
      this.#receive(socket, data, isBinary);
    });
    // What went wrong shows as the close that follows.
    socket.on('error', () => {});
    const stopPinging = this.#keepAlive(socket);
    await new Promise((resolve) => socket.once('close', resolve));
    stopPinging();
    this.#socket = undefined;
    listener.connected(false);
    return stood;
  }

  /** A connection can die without a word (a suspended laptop, a lost route): one that answers no ping is ended. */
  #keepAlive(socket: WebSocket): () => void {
    let answered = true;
    socket.on('pong', () => {
      answered = true;
    });
    const timer = setInterval(() => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (!answered) {
        socket.terminate();
        return;
      }
      answered = false;
      socket.ping();
    }, this.#timings.pingMs);
    return () => {
      clearInterval(timer);
    };
  }

  #receive(socket: WebSocket, data: RawData, isBinary: boolean): void {
    let notification: Notification;
    try {
      if (isBinary || !Buffer.isBuffer(data)) throw new TypeError('not a text message');
      notification = decodeJson(notificationMessage, data);
    } catch {
      // Not a server of this protocol, or a damaged one: a new connection starts clean.
      socket.terminate();
      return;
    }
    if (!this.#closing.signal.aborted) this.#options.listener.notified(notification);
  }
}
