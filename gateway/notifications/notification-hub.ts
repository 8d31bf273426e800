import { STATUS_CODES } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Caller } from '../../protocol/accounts.ts';
import type { Clock } from '../../protocol/environment.ts';
import { asDriveError, DriveError } from '../../protocol/errors.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import type { MetadataStore } from '../../protocol/metadata-store.ts';
import type { Notification } from '../../protocol/notifications.ts';
import { roleSuffices } from '../../protocol/roles.ts';
import { messageBytesMax } from '../../protocol/wire/notification-messages.ts';
import type { Authenticator } from '../authenticator.ts';
import type { GatewayLimits } from '../gateway-limits.ts';
import { httpStatusOf } from '../http-status.ts';
import { NotificationConnection } from './notification-connection.ts';
import { SyncLatency } from './sync-latency.ts';

const goingAway = 1001;
const rolesCachedMax = 20_000;

export interface NotificationHubParts {
  readonly store: MetadataStore;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
  readonly logger: Logger;
}

/** Tells every connected client of the commits in the namespaces it may read. */
export class NotificationHub {
  readonly syncLatency: SyncLatency;
  readonly #parts: NotificationHubParts;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #connections = new Set<NotificationConnection>();
  readonly #roles: LRUCache<string, Promise<boolean>>;
  readonly #unsubscribe: () => void;
  readonly #pings: NodeJS.Timeout;
  #closed = false;
  #emptied: (() => void) | undefined;

  constructor(parts: NotificationHubParts) {
    this.#parts = parts;
    this.syncLatency = new SyncLatency(parts.clock);
    this.#roles = new LRUCache({
      max: rolesCachedMax,
      ttl: parts.limits.roleCacheMs,
      perf: { now: () => parts.clock.nowMs() },
    });
    this.#unsubscribe = parts.store.notifications.subscribe((notification) => {
      this.#announce(notification);
    });
    this.#pings = setInterval(() => {
      for (const connection of this.#connections) void connection.check();
    }, parts.limits.pingIntervalMs);
    this.#pings.unref();
  }

  /** Takes over a connection that asks to become a WebSocket. Refusals are answered as plain HTTP. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    try {
      const caller = await this.#parts.authenticator.bearer(request);
      if (this.#closed || this.#connections.size >= this.#parts.limits.notificationConnectionsMax) {
        throw new DriveError('unavailable', 'the server takes no more connections now');
      }
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.#add(webSocket, caller, request);
      });
    } catch (error) {
      const driveError = asDriveError(error);
      if (driveError.code === 'internal') this.#parts.logger.error({ err: error }, 'a WebSocket could not be opened');
      refuseUpgrade(socket, driveError);
    }
  }

  /** Ends all connections: politely, then, after `graceMs`, at once. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    clearInterval(this.#pings);
    if (this.#connections.size === 0) return;
    const emptied = new Promise<void>((resolve) => (this.#emptied = resolve));
    for (const connection of this.#connections) connection.close(goingAway, 'the server is closing');
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.terminate();
    }, graceMs);
    await emptied;
    clearTimeout(timer);
  }

  #add(socket: WebSocket, caller: Caller, request: IncomingMessage): void {
    const connection = new NotificationConnection({
      socket,
      caller,
      identify: () => this.#parts.authenticator.bearer(request),
      mayRead: (namespace) => this.#mayRead(caller, namespace),
      applied: (commit) => {
        this.syncLatency.applied(commit, caller.device);
      },
    });
    this.#connections.add(connection);
    socket.on('error', (error) => {
      this.#parts.logger.debug({ err: error, user: caller.userName }, 'a notification connection failed');
    });
    socket.once('close', () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#emptied?.();
    });
  }

  #announce(notification: Notification): void {
    this.syncLatency.committed(notification);
    for (const connection of this.#connections) connection.announce(notification);
  }

  async #mayRead(caller: Caller, namespace: NamespaceId): Promise<boolean> {
    const key = `${caller.user} ${namespace}`;
    const cached = this.#roles.get(key);
    if (cached !== undefined) return cached;
    const allowed = this.#parts.store.accounts.roleOf(caller, namespace).then((role) => roleSuffices(role, 'read'));
    this.#roles.set(key, allowed);
    allowed.catch(() => this.#roles.delete(key));
    return allowed;
  }
}

function refuseUpgrade(socket: Duplex, error: DriveError): void {
  const status = httpStatusOf(error.code);
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
