import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GatewayLimits } from './gateway-limits.ts';

/**
 * A request can be answered before its body has come (a refusal). Closing the connection at once would reset it, and the client
 * would not see the answer; so the rest is read and dropped, up to a bound in bytes and time, and only then is the
 * connection closed.
 */
export function boundLeftoverBody(request: IncomingMessage, response: ServerResponse, limits: GatewayLimits): void {
  response.once('finish', () => {
    if (request.complete || request.destroyed) return;
    const { socket } = request;
    let bytes = 0;
    const giveUp = (): void => {
      socket.destroy();
    };
    const timer = setTimeout(giveUp, limits.leftoverTimeoutMs);
    request.on('data', (piece: Uint8Array) => {
      bytes += piece.length;
      if (bytes > limits.leftoverBytesMax) giveUp();
    });
    request.once('close', () => {
      clearTimeout(timer);
    });
    request.resume();
  });
}
