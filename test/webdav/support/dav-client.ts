import { request as sendRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { parseXml } from '../../../gateway/webdav/xml-parser.ts';
import { davChildren, textOf } from '../../../gateway/webdav/xml-element.ts';
import type { XmlElement } from '../../../gateway/webdav/xml-element.ts';
import type { Stand, StandUser } from './stand.ts';

export class DavAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;

  constructor(status: number, headers: IncomingHttpHeaders, body: Buffer) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  get text(): string {
    return this.body.toString();
  }
}

/** One `DAV:response` of a multistatus: properties by local name, with the status they came under. */
export interface DavResource {
  readonly href: string;
  readonly found: ReadonlyMap<string, XmlElement>;
  readonly statuses: ReadonlyMap<string, number>;
}

/** A plain WebDAV client for one user, that sends exactly what a test says. */
export class DavClient {
  readonly #stand: Stand;
  readonly user: StandUser;

  constructor(stand: Stand, user: StandUser) {
    this.#stand = stand;
    this.user = user;
  }

  get authorization(): string {
    return `Basic ${Buffer.from(`${this.user.name}:${this.user.password}`).toString('base64')}`;
  }

  /** The URL path of something in the user's own namespace, given encoded already. */
  path(path: string): string {
    return `/dav/${this.user.name}${path}`;
  }

  url(path: string): string {
    return this.#stand.origin + this.path(path);
  }

  /** Sends a request to a path below the user's namespace, or below the origin if it starts with "/dav". */
  async send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body?: string | Uint8Array,
  ): Promise<DavAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<DavAnswer>();
    const request = sendRequest({
      host: '127.0.0.1',
      port: this.#stand.port,
      method,
      path: path.startsWith('/dav') ? path : this.path(path),
      headers: { authorization: this.authorization, ...headers },
      agent: false,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        const whole = Buffer.concat(pieces);
        resolve(new DavAnswer(response.statusCode ?? 0, response.headers, whole));
      });
    });
    request.end(body);
    return promise;
  }

  async propfind(path: string, depth: '0' | '1', body?: string): Promise<DavResource[]> {
    const answer = await this.send('PROPFIND', path, { depth }, body);
    if (answer.status !== 207) throw new Error(`PROPFIND ${path}: ${answer.status} ${answer.text}`);
    return parseMultistatus(answer.text);
  }

  /** The cursor of the user's namespace: unchanged means that nothing was changed. */
  async cursor(): Promise<number> {
    return (await this.user.metadata.namespace(this.user.namespace)).cursor;
  }

  /** Sends bytes as they are and resolves with all that comes back until the server or `until` ends it. */
  async raw(bytes: string | Uint8Array, until = /\r\n\r\n/): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect(this.#stand.port, '127.0.0.1');
    let answer = '';
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (piece) => {
      answer += piece.toString('latin1');
      if (!until.test(answer)) return;
      resolve(answer);
      socket.destroy();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)));
    return promise;
  }
}

export function parseMultistatus(text: string): DavResource[] {
  return davChildren(parseXml(text, 1_000_000), 'response').map((response) => {
    const found = new Map<string, XmlElement>();
    const statuses = new Map<string, number>();
    for (const propstat of davChildren(response, 'propstat')) {
      const status = Number(/ (\d{3})/.exec(davChildren(propstat, 'status').map(textOf).join(''))?.[1]);
      for (const prop of davChildren(propstat, 'prop')) {
        for (const child of prop.children) {
          if (typeof child === 'string') continue;
          statuses.set(child.local, status);
          if (status === 200) found.set(child.local, child);
        }
      }
    }
    return { href: davChildren(response, 'href').map(textOf).join(''), found, statuses };
  });
}

/** The text of a property that was found, or `undefined`. */
export function propertyText(resource: DavResource | undefined, local: string): string | undefined {
  const element = resource?.found.get(local);
  return element === undefined ? undefined : textOf(element);
}
