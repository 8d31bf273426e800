import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../../protocol/accounts.ts';
import type { BlockService } from '../../protocol/block-service.ts';
import { DriveError } from '../../protocol/errors.ts';
import { limits as protocolLimits } from '../../protocol/limits.ts';
import type { Metadata, NamespaceInfo } from '../../protocol/metadata.ts';
import { defaultWebdavLimits } from './dependencies.ts';
import type { WebdavDependencies, WebdavLimits } from './dependencies.ts';
import { namedNamespaces } from './namespace-names.ts';
import { Refusal } from './refusal.ts';
import { TreeView } from './tree-view.ts';
import { formatUrlPath, parseUrlPath } from './url-path.ts';
import { readXmlBody } from './xml-body.ts';
import type { XmlElement } from './xml-element.ts';

/** Where in the tree a URL points: a namespace by its name in URLs, and a path in it. */
export interface Target {
  readonly tree: TreeView;
  readonly urlName: string;
  readonly path: readonly string[];
  readonly trailingSlash: boolean;
}

/** One request being answered for one caller. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
  readonly dependencies: WebdavDependencies;
  readonly limits: WebdavLimits;
  readonly metadata: Metadata;
  readonly blocks: BlockService;
  /** Aborts once the client is gone. */
  readonly signal: AbortSignal;
  #namespaces: Promise<ReadonlyMap<string, NamespaceInfo>> | undefined;
  #continued = false;

  constructor(
    dependencies: WebdavDependencies,
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    signal: AbortSignal,
  ) {
    this.dependencies = dependencies;
    this.limits = dependencies.limits ?? defaultWebdavLimits;
    this.request = request;
    this.response = response;
    this.caller = caller;
    this.metadata = dependencies.metadata(caller);
    this.blocks = dependencies.blocks(caller);
    this.signal = signal;
    // A client that is not told to continue does not send the body, so the connection can carry no other request.
    if (this.awaitsContinue) response.setHeader('Connection', 'close');
  }

  /** A header's value; where it was sent several times, as Node joins them. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** Whether the request announces a body, empty or not (RFC 9112 §6.3). */
  get announcesBody(): boolean {
    return this.header('transfer-encoding') !== undefined || Number(this.header('content-length') ?? 0) > 0;
  }

  /** Whether the client still waits for `100 Continue` before it sends the body. */
  get awaitsContinue(): boolean {
    const expects = /^100-continue$/i.test(this.header('expect') ?? '');
    return expects && this.dependencies.continuesRequests === true && !this.#continued;
  }

  /** The body as it arrives. It ends by an error if the client goes away. Reading only a part leaves the connection open. */
  body(): AsyncIterable<Uint8Array> {
    if (this.awaitsContinue) {
      this.response.removeHeader('Connection');
      this.response.writeContinue();
    }
    this.#continued = true;
    return this.request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  }

  async xmlBody(): Promise<XmlElement | null> {
    return this.announcesBody ? readXmlBody(this.body(), protocolLimits.xmlBodyBytesMax) : null;
  }

  /** The caller's namespaces by their names in URLs, its own first. */
  async namespaces(): Promise<ReadonlyMap<string, NamespaceInfo>> {
    this.#namespaces ??= this.metadata.namespaces().then(namedNamespaces);
    return this.#namespaces;
  }

  /** What the request's URL, or another one of this server, points to; `null` for the list of namespaces. */
  async target(url: string = this.request.url ?? ''): Promise<Target | null> {
    const { segments, trailingSlash } = parseUrlPath(url, this.dependencies.prefix);
    const [urlName, ...path] = segments;
    if (urlName === undefined) return null;
    const namespace = (await this.namespaces()).get(urlName);
    if (namespace === undefined) throw new DriveError('notFound', `you have no namespace named "${urlName}"`);
    return { tree: new TreeView(this.metadata, namespace), urlName, path, trailingSlash };
  }

  /** As `target`, for methods that the list of namespaces does not have. */
  async treeTarget(): Promise<Target> {
    const target = await this.target();
    if (target === null) {
      throw new Refusal(405, 'the list of namespaces cannot be changed here', {
        headers: { Allow: 'OPTIONS, GET, HEAD, PROPFIND' },
      });
    }
    return target;
  }

  /** The URL path of something in `target`'s namespace. */
  href(target: Target, path: readonly string[], collection: boolean): string {
    return formatUrlPath(this.dependencies.prefix, [target.urlName, ...path], collection);
  }

  /** Answers without a body. */
  finish(status: number, headers: Readonly<Record<string, string>> = {}): void {
    // A 204 has no Content-Length (RFC 9110 §8.6); for the others it says that nothing follows.
    this.response.writeHead(status, status === 204 ? headers : { ...headers, 'Content-Length': '0' });
    this.response.end();
  }
}
