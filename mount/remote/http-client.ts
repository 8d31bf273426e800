import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { DriveError, isDriveError } from '../../protocol/errors.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import { limits } from '../../protocol/limits.ts';
import { endpointPath } from '../../protocol/wire/endpoints.ts';
import type { Endpoint } from '../../protocol/wire/endpoints.ts';
import { fromWireError, wireError } from '../../protocol/wire/wire-error.ts';
import { decodeJson, encodeJson } from '../../protocol/wire/wire-json.ts';
import type { WireSchema } from '../../protocol/wire/wire-json.ts';
import { jsonContentType } from '../../protocol/wire/wire-version.ts';
import { HttpExchange } from './http-exchange.ts';
import type { RequestBody } from './http-exchange.ts';
import { defaultRemoteTimeouts } from './remote-server.ts';
import type { RemoteServer, RemoteTimeouts } from './remote-server.ts';

const connectionsMax = 32;
const idleConnectionsMax = 8;
const errorBytesMax = 64 * 1024;

/** A request whose body goes out and whose answer comes in as streams. */
export interface StreamedRequest {
  readonly path: string;
  readonly contentType: string;
  readonly body: RequestBody;
  /** Of the answer; anything else is not from a Holdfast server. */
  readonly answerType: string;
  readonly signal?: AbortSignal | undefined;
  /** Hears of each piece of a streamed body once it is sent. */
  readonly sent?: ((piece: Uint8Array) => void) | undefined;
}

/** Speaks to one server over connections that it keeps and reuses. `close` ends them. */
export class HttpClient {
  readonly #origin: string;
  readonly #secure: boolean;
  readonly #token: string | null;
  readonly #timeouts: RemoteTimeouts;
  readonly #agent: HttpAgent | HttpsAgent;
  #closed = false;

  constructor(server: RemoteServer) {
    const url = parseServerUrl(server.url);
    this.#origin = url.origin;
    this.#secure = url.protocol === 'https:';
    this.#token = server.token;
    this.#timeouts = server.timeouts ?? defaultRemoteTimeouts;
    const agentOptions = { keepAlive: true, maxSockets: connectionsMax, maxFreeSockets: idleConnectionsMax };
    this.#agent = this.#secure
      ? new HttpsAgent({ ...agentOptions, ...(server.ca === undefined ? {} : { ca: server.ca }) })
      : new HttpAgent(agentOptions);
  }

  /** Makes a call whose request and answer are JSON. Throws what the server threw, or as `HttpExchange`. */
  async call<Request, Response>(
    endpoint: Endpoint<Request, Response>,
    request: Request,
    namespace?: NamespaceId,
  ): Promise<Response> {
    const body = Buffer.from(encodeJson(endpoint.request, request));
    const path = endpointPath(endpoint, namespace);
    const answer = this.stream({ path, contentType: jsonContentType, body, answerType: jsonContentType });
    return readAnswer(endpoint.response, await collect(answer, limits.jsonBodyBytesMax));
  }

  /** The pieces of a 200 answer. Throws what the server threw instead, or as `HttpExchange`. */
  async *stream(request: StreamedRequest): AsyncGenerator<Uint8Array, void, undefined> {
    const { exchange, response } = await this.#open(request);
    const pieces = exchange.body(response);
    if (response.statusCode === 200 && contentTypeOf(response) === request.answerType) {
      yield* pieces;
      return;
    }
    try {
      throw await this.#refusal(response, pieces);
    } finally {
      // The rest of a body that was refused need not be sent.
      if (!(request.body instanceof Uint8Array)) exchange.destroy();
    }
  }

  /** Calls under way fail with `unavailable`, later ones with `cancelled`. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  /** A connection that the server closed just as it was taken up again says nothing: the request goes out once more. */
  async #open(request: StreamedRequest): Promise<{ exchange: HttpExchange; response: IncomingMessage }> {
    if (this.#closed) throw new DriveError('cancelled', `the connection to ${this.#origin} is closed`);
    const exchange = this.#exchange(request);
    try {
      return { exchange, response: await exchange.send(request.body) };
    } catch (error) {
      const stale = exchange.reusedConnection && isDriveError(error, 'unavailable');
      if (!stale || this.#closed || !(request.body instanceof Uint8Array)) throw error;
      const again = this.#exchange(request);
      return { exchange: again, response: await again.send(request.body) };
    }
  }

  #exchange({ path, contentType, body, signal, sent }: StreamedRequest): HttpExchange {
    const headers: Record<string, string | number> = { 'content-type': contentType };
    if (this.#token !== null) headers['authorization'] = `Bearer ${this.#token}`;
    if (body instanceof Uint8Array) headers['content-length'] = body.length;
    const options = { method: 'POST', headers, agent: this.#agent };
    const url = new URL(path, this.#origin);
    const request: ClientRequest = this.#secure ? httpsRequest(url, options) : httpRequest(url, options);
    return new HttpExchange({ request, timeouts: this.#timeouts, origin: this.#origin, signal, sent });
  }

  /** The server's own error, or `unavailable` for an answer of something else: a proxy, a hotel's log-in page. */
  async #refusal(response: IncomingMessage, pieces: AsyncIterable<Uint8Array>): Promise<DriveError> {
    const stranger = new DriveError(
      'unavailable',
      `${this.#origin} answered ${response.statusCode} and not as a Holdfast server does`,
    );
    if (contentTypeOf(response) !== jsonContentType || response.statusCode === 200) return stranger;
    const bytes = await collect(pieces, errorBytesMax);
    try {
      return fromWireError(decodeJson(wireError, bytes));
    } catch {
      return stranger;
    }
  }
}

function parseServerUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw new DriveError('invalidArgument', `"${text}" is no server; write it like https://drive.example:7420`);
}

function contentTypeOf(response: IncomingMessage): string | undefined {
  return response.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
}

/** Reads an answer by its schema; one that does not fit is a defect of the server, whatever was asked. */
export function readAnswer<Response>(schema: WireSchema<Response>, bytes: Uint8Array): Response {
  try {
    return decodeJson(schema, bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DriveError('internal', `the server's answer is not understood: ${reason}`, { cause });
  }
}

/** All of an answer, which is known to be small enough to hold. */
export async function collect(pieces: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > bytesMax) throw new DriveError('tooLarge', `the server's answer has more than ${bytesMax} bytes`);
    all.push(piece);
  }
  return Buffer.concat(all);
}
