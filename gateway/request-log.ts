import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Caller } from '../protocol/accounts.ts';
import type { Clock } from '../protocol/environment.ts';
import type { DriveError } from '../protocol/errors.ts';

/** What is learned about a request on the way. */
export interface RequestLog {
  readonly identified: (caller: Caller) => void;
  readonly failed: (error: DriveError) => void;
  /** The handler is done, well or not. */
  readonly handled: () => void;
}

/** Writes one line for each request once its handler is done and its answer sent or given up: no query, no header, so no secret. */
export function logWhenAnswered(parts: {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly logger: Logger;
  readonly clock: Clock;
}): RequestLog {
  const { request, response, path, logger, clock } = parts;
  const startMs = clock.nowMs();
  let user: string | undefined;
  let failure: DriveError | undefined;
  let waitsFor = 2;
  const done = (): void => {
    waitsFor -= 1;
    if (waitsFor > 0) return;
    const line = {
      method: request.method,
      path,
      status: response.statusCode,
      ms: clock.nowMs() - startMs,
      user,
      complete: response.writableFinished,
      error: failure?.code,
    };
    if (failure?.code === 'internal') logger.error({ ...line, err: failure }, 'request failed');
    else logger.info(line, 'request');
  };
  response.once('close', done);
  return {
    identified: (caller) => {
      user = caller.userName;
    },
    failed: (error) => {
      failure = error;
    },
    handled: done,
  };
}
