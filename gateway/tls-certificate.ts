import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import type { Server } from 'node:https';
import { DriveError } from '../protocol/errors.ts';
import type { Logger } from 'pino';

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export interface TlsContext {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: 'TLSv1.2';
}

const watchIntervalMs = 5_000;

/** Reads certificate and key; throws `invalidArgument` naming the file that cannot be read. */
export function readTlsFiles({ cert, key }: TlsFiles): TlsContext {
  return { cert: readPem(cert), key: readPem(key), minVersion: 'TLSv1.2' };
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new DriveError('invalidArgument', `the TLS file ${path} cannot be read`, { cause });
  }
}

/**
 * Takes a renewed certificate into use when its files change or the process gets SIGHUP; open connections keep theirs. One that
 * does not load is reported and the old one stays. Returns the function that ends the watch.
 */
export function reloadOnChange(server: Server, files: TlsFiles, logger: Logger): () => void {
  const reload = (): void => {
    try {
      server.setSecureContext(readTlsFiles(files));
      logger.info({ cert: files.cert }, 'took a new TLS certificate into use');
    } catch (error) {
      logger.error({ err: error, cert: files.cert }, 'the new TLS certificate does not load; the old one stays');
    }
  };
  const paths = [files.cert, files.key];
  for (const path of paths) watchFile(path, { interval: watchIntervalMs, persistent: false }, reload);
  process.on('SIGHUP', reload);
  return () => {
    for (const path of paths) unwatchFile(path, reload);
    process.off('SIGHUP', reload);
  };
}
