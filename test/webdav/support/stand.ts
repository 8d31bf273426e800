import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BlockStore } from '../../../blockstore/block-store.ts';
import { MasterKeys } from '../../../blockstore/master-keys.ts';
import { MemoryStore } from '../../../blockstore/memory-store.ts';
import { DriveBlocks } from '../../../gateway/drive-blocks.ts';
import { EntitledBlocks } from '../../../gateway/entitled-blocks.ts';
import { createWebdavHandler } from '../../../gateway/webdav/handler.ts';
import { defaultWebdavLimits } from '../../../gateway/webdav/dependencies.ts';
import type { WebdavLimits } from '../../../gateway/webdav/dependencies.ts';
import { openMetadata } from '../../../metadata/open.ts';
import type { Caller } from '../../../protocol/accounts.ts';
import type { BlockFrame, BlockService, GetBlocksRequest } from '../../../protocol/block-service.ts';
import { isDriveError } from '../../../protocol/errors.ts';
import type { NamespaceId } from '../../../protocol/ids.ts';
import type { Metadata } from '../../../protocol/metadata.ts';
import type { MetadataStore } from '../../../protocol/metadata-store.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';

const masterKeyId = '0123456789abcdef';

/** Bytes of plaintext that the block service gave and took, for tests that say what may move. */
export interface Traffic {
  gotBlocks: number;
  gotBytes: number;
  putBlocks: number;
}

/** A user of the stand, with what a test needs to look behind the door. */
export interface StandUser {
  readonly name: string;
  readonly password: string;
  readonly caller: Caller;
  readonly metadata: Metadata;
  readonly namespace: NamespaceId;
}

/** A WebDAV server with the real metadata (SQLite in memory) and the real block store (in memory). */
export class Stand {
  readonly store: MetadataStore;
  readonly traffic: Traffic = { gotBlocks: 0, gotBytes: 0, putBlocks: 0 };
  readonly failures: string[] = [];
  /** What the door is told of every namespace's quota; what the metadata enforces is not touched. */
  quotaBytes: number | null = null;
  /** Blocks given before one comes with a flipped bit; `null` for never. */
  damageAfterBlocks: number | null = null;
  readonly #server: Server;
  readonly #blockStore: BlockStore;
  readonly #entitledBlocks = new EntitledBlocks();
  readonly #checked = new Map<string, Caller>();

  private constructor(store: MetadataStore, blockStore: BlockStore, limits: Partial<WebdavLimits>) {
    this.store = store;
    this.#blockStore = blockStore;
    const handler = createWebdavHandler({
      metadata: (caller) => this.#withQuota(store.as(caller)),
      blocks: (caller) => this.#countedBlocks(caller),
      leases: store.leases,
      clock: systemClock,
      randomness: systemRandomness,
      logger: { warn: () => undefined, error: (details, message) => this.failures.push(describe(details, message)) },
      prefix: '/dav',
      limits: { ...defaultWebdavLimits, ...limits },
      continuesRequests: true,
    });
    const serve = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response, handler);
    this.#server = createServer(serve);
    this.#server.on('checkContinue', serve);
  }

  static async open(limits: Partial<WebdavLimits> = {}): Promise<Stand> {
    const environment = { clock: systemClock, randomness: systemRandomness };
    const store = await openMetadata('sqlite::memory:', environment, { passwordCost: 1024 });
    const blockStore = new BlockStore({
      objects: new MemoryStore(),
      index: store.blockIndex,
      masterKeys: new MasterKeys([{ id: masterKeyId, key: randomBytes(32) }], masterKeyId),
      ...environment,
    });
    const stand = new Stand(store, blockStore, limits);
    await new Promise<void>((resolve) => stand.#server.listen(0, '127.0.0.1', resolve));
    return stand;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async addUser(name: string): Promise<StandUser> {
    const password = 'correct horse';
    const { namespace } = await this.store.accounts.createUser(name, password);
    const caller = await this.store.accounts.verifyBasic(name, password);
    return { name, password, caller, namespace, metadata: this.store.as(caller) };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.store.close();
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    handler: ReturnType<typeof createWebdavHandler>,
  ): Promise<void> {
    const caller = await this.#callerOf(request);
    if (caller === null) {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="test"', Connection: 'close' });
      response.end();
      return;
    }
    await handler(request, response, caller);
  }

  /** Basic authentication; a password is checked once, for scrypt is slow on purpose. */
  async #callerOf(request: IncomingMessage): Promise<Caller | null> {
    const header = request.headers.authorization ?? '';
    const known = this.#checked.get(header);
    if (known !== undefined) return known;
    const [name = '', password = ''] = Buffer.from(header.replace(/^Basic /, ''), 'base64')
      .toString()
      .split(':');
    try {
      const caller = await this.store.accounts.verifyBasic(name, password);
      this.#checked.set(header, caller);
      return caller;
    } catch (error) {
      if (isDriveError(error, 'unauthenticated')) return null;
      throw error;
    }
  }

  #withQuota(metadata: Metadata): Metadata {
    const { quotaBytes } = this;
    const namespaces = async () => (await metadata.namespaces()).map((one) => ({ ...one, quotaBytes }));
    return new Proxy(metadata, {
      get: (target, name) => {
        if (name === 'namespaces') return namespaces;
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
  }

  #countedBlocks(caller: Caller): BlockService {
    const { traffic } = this;
    const damaged = (frame: BlockFrame) => (this.damageAfterBlocks === traffic.gotBlocks ? flipped(frame) : frame);
    const blocks = new DriveBlocks({
      caller,
      metadata: this.store.as(caller),
      entitlements: this.store.entitlements,
      blockStore: this.#blockStore,
      entitledBlocks: this.#entitledBlocks,
    });
    return {
      have: (namespace, hashes) => blocks.have(namespace, hashes),
      put: async (namespace, frames) => {
        const result = await blocks.put(namespace, frames);
        traffic.putBlocks += result.receivedBlocks;
        return result;
      },
      async *get(namespace: NamespaceId, request: GetBlocksRequest, signal?: AbortSignal) {
        for await (const frame of blocks.get(namespace, request, signal)) {
          const given = damaged(frame);
          traffic.gotBlocks++;
          traffic.gotBytes += frame.length;
          yield given;
        }
      },
    };
  }
}

function flipped(frame: BlockFrame): BlockFrame {
  const bytes = Uint8Array.from(frame.bytes);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return { ...frame, bytes };
}

function describe(details: object, message: string): string {
  const error: unknown = 'err' in details ? details.err : undefined;
  return `${message}: ${error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(details)}`;
}
