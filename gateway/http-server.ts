import { createServer as createHttpServer } from 'node:http';
import type { RequestListener, Server, ServerOptions } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { DriveError } from '../protocol/errors.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import { readTlsFiles, reloadOnChange } from './tls-certificate.ts';
import type { TlsFiles } from './tls-certificate.ts';

export interface HttpServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: TlsFiles | undefined;
  readonly limits: GatewayLimits;
  readonly logger: Logger;
  readonly listener: RequestListener;
}

/** Node's server with every bound set. `stopWatching` ends the watch on the certificate. */
export function makeHttpServer({ tls, limits, logger, listener }: HttpServerOptions): {
  readonly server: Server;
  readonly stopWatching: () => void;
} {
  const options: ServerOptions = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: limits.headersCheckMs,
    // An upload may take hours; what bounds it is the idle timeout and the pace of the body.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    noDelay: true,
  };
  if (tls === undefined)
    return { server: configured(createHttpServer(options), limits, listener), stopWatching: () => {} };
  const server = createHttpsServer({ ...options, ...readTlsFiles(tls) });
  return { server: configured(server, limits, listener), stopWatching: reloadOnChange(server, tls, logger) };
}

function configured<AnyServer extends Server>(
  server: AnyServer,
  limits: GatewayLimits,
  listener: RequestListener,
): AnyServer {
  server.maxConnections = limits.connectionsMax;
  server.timeout = limits.idleTimeoutMs;
  server.on('request', listener);
  // With a listener of our own the handlers say `100 Continue`, after they have decided to take the body.
  server.on('checkContinue', listener);
  server.on('clientError', answerMalformed);
  return server;
}

/** What Node's parser refuses never becomes a request; the connection gets one last answer. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

/** Resolves with the port; throws `unavailable` where it cannot be listened. */
export async function listenOn(server: Server, { host, port }: HttpServerOptions['listen']): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'another program uses it' : cause.message;
      reject(new DriveError('unavailable', `cannot listen on ${host}:${port}: ${why}`, { cause }));
    });
    server.listen(port, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new DriveError('internal', 'the server has no port');
  return address.port;
}

/** Stops accepting, lets requests under way finish for up to `graceMs`, then cuts what is left. */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const idle = setInterval(() => {
    server.closeIdleConnections();
  }, 50);
  const bound = setTimeout(() => {
    server.closeAllConnections();
  }, graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(bound);
}
