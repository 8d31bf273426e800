import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { BlockStore } from '../../blockstore/block-store.ts';
import { MasterKeys } from '../../blockstore/master-keys.ts';
import { MemoryStore } from '../../blockstore/memory-store.ts';
import type { GatewayLimits } from '../../gateway/gateway-limits.ts';
import { startGateway } from '../../gateway/server.ts';
import type { Gateway } from '../../gateway/server.ts';
import type { TlsFiles } from '../../gateway/tls-certificate.ts';
import { openMetadata } from '../../metadata/open.ts';
import { RemoteDrive } from '../../mount/remote/remote-drive.ts';
import type { RemoteTimeouts } from '../../mount/remote/remote-server.ts';
import type { Caller } from '../../protocol/accounts.ts';
import type { DeviceId, NamespaceId } from '../../protocol/ids.ts';
import type { MetadataStore } from '../../protocol/metadata-store.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';

/** A user of the test server, with a device of his own. */
export interface TestUser {
  readonly name: string;
  readonly password: string;
  readonly namespace: NamespaceId;
  readonly caller: Caller;
  readonly device: DeviceId;
  readonly token: string;
  readonly drive: RemoteDrive;
}

export interface TestServerOptions {
  readonly limits?: Partial<GatewayLimits>;
  readonly tls?: TlsFiles;
  readonly ca?: string;
  readonly timeouts?: RemoteTimeouts;
  /** Wraps the metadata that the gateway gets, for faults. */
  readonly decorate?: (metadata: MetadataStore) => MetadataStore;
}

/** A real gateway on a free port over SQLite and blocks in memory. `close` ends all of it. */
export interface TestServer {
  readonly gateway: Gateway;
  readonly metadata: MetadataStore;
  readonly blockStore: BlockStore;
  /** Every line of the server's log. */
  readonly log: Record<string, unknown>[];
  addUser(name: string): Promise<TestUser>;
  drive(token: string): RemoteDrive;
  /** Closes the gateway and opens it again at the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const environment = { clock: systemClock, randomness: systemRandomness };

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const metadata = await openMetadata('sqlite::memory:', environment, { passwordCost: 16 });
  const masterKeys = new MasterKeys([{ id: '0123456789abcdef', key: randomBytes(32) }], '0123456789abcdef');
  const blockStore = new BlockStore({
    objects: new MemoryStore(),
    index: metadata.blockIndex,
    masterKeys,
    ...environment,
  });
  const log: Record<string, unknown>[] = [];
  const start = (port: number): Promise<Gateway> =>
    startGateway({
      metadata: options.decorate?.(metadata) ?? metadata,
      blockStore,
      listen: { host: '127.0.0.1', port },
      logger: loggerTo(log),
      ...environment,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
  let gateway = await start(0);
  const { url, port } = gateway;
  const drives: RemoteDrive[] = [];
  const drive = (token: string): RemoteDrive => {
    const { ca, timeouts } = options;
    const made = new RemoteDrive({
      url,
      token,
      ...(ca === undefined ? {} : { ca }),
      ...(timeouts === undefined ? {} : { timeouts }),
    });
    drives.push(made);
    return made;
  };
  return {
    get gateway() {
      return gateway;
    },
    metadata,
    blockStore,
    log,
    drive,
    addUser: async (name) => {
      const password = `password of ${name}`;
      const { namespace } = await metadata.accounts.createUser(name, password);
      const caller = await metadata.accounts.verifyPassword(name, password);
      const { secret, device } = await metadata.accounts.issueSecret(caller, 'device', 'test');
      return { name, password, namespace, caller, device, token: secret, drive: drive(secret) };
    },
    restart: async () => {
      await gateway.close();
      gateway = await start(port);
    },
    close: async () => {
      for (const one of drives) one.close();
      await gateway.close();
      await metadata.close();
    },
  };
}

function loggerTo(log: Record<string, unknown>[]): Logger {
  const write = (line: string): void => {
    log.push(JSON.parse(line) as Record<string, unknown>);
  };
  return pino({ level: 'debug' }, { write });
}
