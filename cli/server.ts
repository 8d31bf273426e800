import { pino } from 'pino';
import { BlockStore } from '../blockstore/block-store.ts';
import { openKeyFile } from '../blockstore/key-file.ts';
import { openObjectStore } from '../blockstore/store-url.ts';
import { startGateway, type Gateway } from '../gateway/server.ts';
import type { TlsFiles } from '../gateway/tls-certificate.ts';
import { openMetadata } from '../metadata/open.ts';
import { DriveError } from '../protocol/errors.ts';
import type { MetadataStore } from '../protocol/metadata-store.ts';
import { systemClock, systemRandomness } from '../protocol/system-environment.ts';
import { makePrivateDirectory } from './private-file.ts';
import type { ServerStorage } from './server-storage.ts';

export interface ServerOptions {
  readonly storage: ServerStorage;
  /** `HOST:PORT`; port 0 takes a free one. */
  readonly listen: string;
  readonly tls?: TlsFiles;
  readonly logLevel: 'info' | 'warn';
}

/** A whole server in this process; `close` ends it in good order. */
export interface RunningServer {
  readonly url: string;
  readonly metadata: MetadataStore;
  close(): Promise<void>;
}

/** Composes metadata, block store and gateway. Logs go to standard error, one JSON object a line. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { storage } = options;
  const environment = { clock: systemClock, randomness: systemRandomness };
  const listen = parseListen(options.listen);
  const logger = pino({ level: options.logLevel }, pino.destination({ fd: 2, sync: false }));
  await makePrivateDirectory(storage.directory);
  const metadata = await openMetadata(storage.databaseUrl, environment);
  let gateway: Gateway;
  try {
    const masterKeys = await openKeyFile(storage.keyFile, await metadata.blockIndex.keyIds());
    const objects = await openObjectStore(storage.storeUrl, environment);
    const blockStore = new BlockStore({ objects, index: metadata.blockIndex, masterKeys, ...environment });
    const tls = options.tls === undefined ? {} : { tls: options.tls };
    gateway = await startGateway({ metadata, blockStore, listen, logger, ...environment, ...tls });
  } catch (error) {
    await metadata.close();
    throw error;
  }
  return {
    url: gateway.url,
    metadata,
    close: async () => {
      await gateway.close();
      await metadata.close();
    },
  };
}

/** Reads `HOST:PORT`, `[v6]:PORT`, or a bare port. Throws `invalidArgument`. */
function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:(\[[0-9a-fA-F:]+\]|[^:[\]]+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    throw new DriveError('invalidArgument', `"${text}" is no address to listen on; write it like 127.0.0.1:7420`);
  }
  return { host: (match[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port };
}
