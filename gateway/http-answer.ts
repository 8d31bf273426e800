import type { ServerResponse } from 'node:http';
import type { DriveError } from '../protocol/errors.ts';
import { toWireError, wireError } from '../protocol/wire/wire-error.ts';
import { encodeJson } from '../protocol/wire/wire-json.ts';
import { jsonContentType } from '../protocol/wire/wire-version.ts';
import { httpStatusOf } from './http-status.ts';

/** Answers with JSON text, whole. */
export function answerJson(response: ServerResponse, status: number, json: string): void {
  response.writeHead(status, {
    'content-type': jsonContentType,
    'content-length': Buffer.byteLength(json),
    'cache-control': 'no-store',
  });
  response.end(json);
}

/** Answers with an error if nothing was answered yet; else the answer is cut off, which every client can tell from its end. */
export function answerError(response: ServerResponse, error: DriveError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  if (error.code === 'unauthenticated') {
    response.setHeader('www-authenticate', ['Bearer realm="Holdfast"', 'Basic realm="Holdfast", charset="UTF-8"']);
  }
  if (error.code === 'rateLimited') response.setHeader('retry-after', '60');
  answerJson(response, httpStatusOf(error.code), encodeJson(wireError, toWireError(error)));
}
