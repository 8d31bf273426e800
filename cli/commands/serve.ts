import { Command } from 'commander';
import { DriveError } from '../../protocol/errors.ts';
import { printLine } from '../output.ts';
import { addStorageOptions, serverStorage, type StorageOptions } from '../server-storage.ts';
import { untilStopped } from '../stop-signals.ts';

interface ServeOptions extends StorageOptions {
  readonly listen: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** `holdfast serve`: a server for mounts and WebDAV clients, until SIGINT or SIGTERM. */
export function serveCommand(): Command {
  return addStorageOptions(new Command('serve'))
    .description('run a server; add users with "holdfast user add"')
    .option('--listen <host:port>', 'where to listen; port 0 takes a free one', '127.0.0.1:7420')
    .option('--tls-cert <file>', 'certificate chain in PEM; a renewed one is taken into use while running')
    .option('--tls-key <file>', 'its private key in PEM')
    .addHelpText(
      'before',
      `Examples:
  holdfast serve --listen 0.0.0.0:7420 --tls-cert cert.pem --tls-key key.pem
  AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… holdfast serve \\
      --database postgres://holdfast@db/holdfast --store 's3://bucket/drive?endpoint=https://s3.example&region=eu-1'
`,
    )
    .action(runServe);
}

async function runServe(options: ServeOptions): Promise<void> {
  const stopped = untilStopped();
  const { tlsCert: cert, tlsKey: key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new DriveError('invalidArgument', '--tls-cert and --tls-key go together');
  }
  const tls = cert === undefined || key === undefined ? {} : { tls: { cert, key } };
  const storage = serverStorage(options);
  const { startServer } = await import('../server.ts');
  const server = await startServer({ storage, listen: options.listen, logLevel: 'info', ...tls });
  try {
    printLine(`listening on ${server.url}`);
    await stopped;
  } finally {
    await server.close();
  }
}
