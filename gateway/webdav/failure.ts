import { asDriveError } from '../../protocol/errors.ts';
import { httpStatusOf } from '../http-status.ts';
import type { Exchange } from './exchange.ts';
import { xmlContentType } from './multistatus.ts';
import { Refusal } from './refusal.ts';
import { escapeText } from './xml-text.ts';

/**
 * Answers a request that failed. If the answer had begun already, all that is left is to break the connection, so that
 * the client does not take the part for the whole.
 */
export function answerFailure(exchange: Exchange, error: unknown): void {
  const { response, signal, request } = exchange;
  if (signal.aborted) return;
  log(exchange, error);
  const refusal = asRefusal(error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (refusal.status === 304 || request.method === 'HEAD') {
    response.writeHead(refusal.status, { ...refusal.details.headers });
    response.end();
    return;
  }
  const { contentType, body } = describe(refusal);
  const headers = {
    ...refusal.details.headers,
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
  };
  response.writeHead(refusal.status, headers);
  response.end(body);
}

/** Only what the operator can do something about: a defect, or a part that cannot be reached or is full. */
function log(exchange: Exchange, error: unknown): void {
  if (error instanceof Refusal) return;
  const { logger } = exchange.dependencies;
  const { method, url } = exchange.request;
  const details = { err: error, method, url, user: exchange.caller.userName };
  const { code } = asDriveError(error);
  if (code === 'internal') logger.error(details, 'WebDAV request failed');
  if (code === 'unavailable' || code === 'timeout' || code === 'noSpace') logger.warn(details, 'WebDAV request failed');
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { code, message } = asDriveError(error);
  // What went wrong inside is for the log, not for the client.
  const told = code === 'internal' ? 'something went wrong in the server; its log says what' : message;
  return new Refusal(httpStatusOf(code), told, code === 'quotaExceeded' ? { condition: 'quota-not-exceeded' } : {});
}

/** As XML where RFC 4918 §16 has an element for it, else in plain words. */
function describe({ message, details }: Refusal): { readonly contentType: string; readonly body: string } {
  if (details.condition === undefined) return { contentType: 'text/plain; charset=utf-8', body: `${message}\n` };
  const hrefs = (details.hrefs ?? []).map((href) => `<D:href>${escapeText(href)}</D:href>`).join('');
  const body =
    '<?xml version="1.0" encoding="utf-8"?>\n' +
    `<D:error xmlns:D="DAV:"><D:${details.condition}>${hrefs}</D:${details.condition}>` +
    `<H:message xmlns:H="urn:holdfast">${escapeText(message)}</H:message></D:error>\n`;
  return { contentType: xmlContentType, body };
}

/**
 * Leaves the connection in order. What is left of a request's body is read and dropped, so that a client which writes
 * before it reads gets to see the answer; if that takes too long, the connection is cut.
 */
export async function settleConnection(exchange: Exchange): Promise<void> {
  const { request, response, signal, limits, dependencies } = exchange;
  if (request.complete || signal.aborted || exchange.awaitsContinue) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const settled = () => resolve(undefined);
  const timer = new AbortController();
  request.once('end', settled).once('error', settled).once('close', settled);
  response.once('close', settled);
  request.resume();
  void dependencies.clock.sleep(limits.drainTimeoutMs, timer.signal).then(settled, settled);
  await promise;
  timer.abort();
  if (!request.complete) request.destroy();
}
