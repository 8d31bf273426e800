import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../../protocol/accounts.ts';
import type { WebdavDependencies } from './dependencies.ts';
import { Exchange } from './exchange.ts';
import { answerFailure, settleConnection } from './failure.ts';
import { copy } from './methods/copy.ts';
import { deleteResource } from './methods/delete.ts';
import { get } from './methods/get.ts';
import { lock } from './methods/lock.ts';
import { mkcol } from './methods/mkcol.ts';
import { move } from './methods/move.ts';
import { allMethods, options } from './methods/options.ts';
import { propfind } from './methods/propfind.ts';
import { proppatch } from './methods/proppatch.ts';
import { put } from './methods/put.ts';
import { unlock } from './methods/unlock.ts';
import { Refusal } from './refusal.ts';

const methods: ReadonlyMap<string, (exchange: Exchange) => Promise<void>> = new Map([
  ['OPTIONS', options],
  ['GET', get],
  ['HEAD', get],
  ['PUT', put],
  ['DELETE', deleteResource],
  ['PROPFIND', propfind],
  ['PROPPATCH', proppatch],
  ['MKCOL', mkcol],
  ['COPY', copy],
  ['MOVE', move],
  ['LOCK', lock],
  ['UNLOCK', unlock],
]);

/** Answers one request for a caller who is known already. Never rejects: a failure is an answer, too. */
export type WebdavHandler = (request: IncomingMessage, response: ServerResponse, caller: Caller) => Promise<void>;

/**
 * The WebDAV door (RFC 4918, classes 1, 2 and 3): `prefix/` lists the caller's namespaces, `prefix/NAME/…` is the tree
 * of one. The promise resolves when the answer is written and nothing of the request is left to read.
 */
export function createWebdavHandler(dependencies: WebdavDependencies): WebdavHandler {
  return async (request, response, caller) => {
    const gone = new AbortController();
    const closed = () => gone.abort(new Error('the connection was closed'));
    response.once('close', closed);
    const exchange = new Exchange(dependencies, request, response, caller, gone.signal);
    try {
      const method = methods.get(request.method ?? '');
      if (method === undefined) {
        throw new Refusal(405, `${request.method} is not known here`, { headers: { Allow: allMethods } });
      }
      await method(exchange);
    } catch (error) {
      answerFailure(exchange, error);
    }
    await settleConnection(exchange);
  };
}
