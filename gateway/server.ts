import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Caller } from '../protocol/accounts.ts';
import type { Clock, Randomness } from '../protocol/environment.ts';
import { asDriveError, DriveError } from '../protocol/errors.ts';
import type { MetadataStore } from '../protocol/metadata-store.ts';
import { notificationsPath } from '../protocol/wire/wire-version.ts';
import { handleApi } from './api/api-handler.ts';
import { Authenticator } from './authenticator.ts';
import { DriveBlocks } from './drive-blocks.ts';
import type { StoredBlocks } from './drive-blocks.ts';
import { EntitledBlocks } from './entitled-blocks.ts';
import { defaultGatewayLimits } from './gateway-limits.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import { answerHealth, answerReadiness } from './health.ts';
import { answerError } from './http-answer.ts';
import { closeServer, listenOn, makeHttpServer } from './http-server.ts';
import { boundLeftoverBody } from './leftover-body.ts';
import { NotificationHub } from './notifications/notification-hub.ts';
import type { SyncLatency } from './notifications/sync-latency.ts';
import { RequestBodies } from './request-body.ts';
import { logWhenAnswered } from './request-log.ts';
import type { TlsFiles } from './tls-certificate.ts';
import { createWebdavHandler } from './webdav/handler.ts';

export interface GatewayOptions {
  readonly metadata: MetadataStore;
  readonly blockStore: StoredBlocks;
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Without it the server speaks plain HTTP. */
  readonly tls?: TlsFiles;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly limits?: Partial<GatewayLimits>;
}

/** A running server. It owns its sockets and timers, and neither the metadata nor the block store. */
export interface Gateway {
  readonly url: string;
  readonly port: number;
  /** How long commits took to reach other devices. */
  readonly syncLatency: SyncLatency;
  /** Finishes requests under way for up to `limits.closeGraceMs`, cuts the rest, and frees the port. */
  close(): Promise<void>;
}

/** The URL prefix of the WebDAV tree. */
export const webdavPrefix = '/dav';

type WebdavHandler = ReturnType<typeof createWebdavHandler>;

/** Opens every HTTP door of a server on one port. Throws `unavailable` if the port is taken, `invalidArgument` for bad TLS files. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const limits = { ...defaultGatewayLimits, ...options.limits };
  const doors = new GatewayDoors(options, limits);
  const { listen, tls, logger } = options;
  const listener = (request: IncomingMessage, response: ServerResponse): void => void doors.handle(request, response);
  const { server, stopWatching } = makeHttpServer({ listen, tls, limits, logger, listener });
  server.on('upgrade', (request, socket, head) => void doors.upgrade(request, socket, head));
  try {
    const port = await listenOn(server, listen);
    const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
    return {
      url: `${tls === undefined ? 'http' : 'https'}://${host}:${port}`,
      port,
      syncLatency: doors.hub.syncLatency,
      close: async () => {
        stopWatching();
        await Promise.all([closeServer(server, limits.closeGraceMs), doors.hub.close(limits.closeGraceMs)]);
      },
    };
  } catch (error) {
    stopWatching();
    await doors.hub.close(0);
    throw error;
  }
}

/** Finds the door a request is for. Whatever a handler throws becomes an answer and a line in the log. */
class GatewayDoors {
  readonly hub: NotificationHub;
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #authenticator: Authenticator;
  readonly #bodies: RequestBodies;
  readonly #entitledBlocks = new EntitledBlocks();
  readonly #webdav: WebdavHandler;

  constructor(options: GatewayOptions, limits: GatewayLimits) {
    const { metadata, blockStore, clock, randomness, logger } = options;
    this.#options = options;
    this.#limits = limits;
    this.#authenticator = new Authenticator({ accounts: metadata.accounts, clock, limits });
    this.#bodies = new RequestBodies({ clock, limits });
    this.hub = new NotificationHub({ store: metadata, authenticator: this.#authenticator, clock, limits, logger });
    this.#webdav = createWebdavHandler({
      metadata: (caller) => metadata.as(caller),
      blocks: (caller) => {
        const { entitlements } = metadata;
        const entitledBlocks = this.#entitledBlocks;
        return new DriveBlocks({ caller, metadata: metadata.as(caller), entitlements, blockStore, entitledBlocks });
      },
      leases: metadata.leases,
      clock,
      randomness,
      logger,
      prefix: webdavPrefix,
      continuesRequests: true,
    });
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = pathOf(request.url ?? '');
    const { logger, clock } = this.#options;
    const log = logWhenAnswered({ request, response, path, logger, clock });
    boundLeftoverBody(request, response, this.#limits);
    const gone = new AbortController();
    // The other side may vanish at any time; whoever reads or writes learns it from the stream, nobody else needs to.
    request.on('error', () => {});
    response.on('error', () => {});
    response.once('close', () => {
      if (!response.writableFinished) gone.abort(new DriveError('cancelled', 'the client went away'));
    });
    try {
      await this.#dispatch(path, request, response, gone.signal, log.identified);
    } catch (error) {
      const driveError = gone.signal.aborted
        ? new DriveError('cancelled', 'the client went away')
        : asDriveError(error);
      log.failed(driveError);
      answerError(response, driveError);
    } finally {
      log.handled();
    }
  }

  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    if (pathOf(request.url ?? '') === notificationsPath) await this.hub.upgrade(request, socket, head);
    else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  }

  async #dispatch(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
    identified: (caller: Caller) => void,
  ): Promise<void> {
    const { metadata, blockStore, logger } = this.#options;
    if (path === '/healthz') return answerHealth(response);
    if (path === '/readyz') return answerReadiness(response, metadata, this.#limits.readyTimeoutMs);
    if (path === webdavPrefix || path.startsWith(`${webdavPrefix}/`)) {
      const caller = await this.#authenticator.basicOrBearer(request);
      identified(caller);
      return this.#webdav(request, response, caller);
    }
    if (!path.startsWith('/api/')) throw new DriveError('notFound', `nothing is here; WebDAV is at ${webdavPrefix}/`);
    const { syncLatency } = this.hub;
    const shared = { authenticator: this.#authenticator, bodies: this.#bodies, syncLatency };
    const parts = { store: metadata, blockStore, entitledBlocks: this.#entitledBlocks, logger, ...shared };
    await handleApi(parts, { request, response, path, signal, identified });
  }
}

/** The path of a request target without its query, in origin or absolute form (RFC 9112 §3.2). */
function pathOf(url: string): string {
  const [target = ''] = url.split('?', 1);
  return target.replace(/^https?:\/\/[^/]*/i, '');
}
