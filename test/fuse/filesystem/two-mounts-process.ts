import { join } from 'node:path';
import { pino } from 'pino';
import { startServer } from '../../../cli/server.ts';
import { openMount } from '../../../mount/open-mount.ts';
import type { OpenMount } from '../../../mount/open-mount.ts';
import { RemoteDrive } from '../../../mount/remote/remote-drive.ts';
import { RemoteNotifications } from '../../../mount/remote/remote-notifications.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import type { TwoMountsCommand, TwoMountsOptions } from './two-mounts.ts';

/** A whole server and two mounts of one namespace, in one process that the test kills when it is done. */

const options = JSON.parse(process.argv[2] ?? '{}') as TwoMountsOptions;
const environment = { clock: systemClock, randomness: systemRandomness };

async function run(): Promise<void> {
  const directory = join(options.directory, 'server');
  const server = await startServer({
    storage: {
      directory,
      databaseUrl: `sqlite:${join(directory, 'metadata.db')}`,
      storeUrl: `disk:${join(directory, 'packs')}`,
      keyFile: join(directory, 'master-keys.json'),
    },
    listen: '127.0.0.1:0',
    logLevel: 'warn',
  });
  const { accounts } = server.metadata;
  const { namespace } = await accounts.createUser('ada', 'correct horse battery');
  const caller = await accounts.verifyPassword('ada', 'correct horse battery');
  const mounts: OpenMount[] = [];
  for (const mountpoint of options.mountpoints) {
    const { secret } = await accounts.issueSecret(caller, 'device', mountpoint);
    const remote = { url: server.url, token: secret };
    mounts.push(
      await openMount({
        directory: mountpoint,
        cacheDirectory: join(options.directory, `cache ${mounts.length}`),
        ...{ namespace, cacheBytesMax: 2 ** 30, syncMode: 'local', ...environment },
        remote: new RemoteDrive(remote),
        notifications: (listener) => new RemoteNotifications({ server: remote, listener, ...environment }),
        logger: pino({ level: 'warn' }, pino.destination({ fd: 2, sync: true })),
        author: 'Ada',
      }),
    );
  }
  process.on('message', (message: { id: number; command: TwoMountsCommand }) => {
    execute(mounts, message.command).then(
      (result) => process.send?.({ type: 'result', id: message.id, result }),
      (error: unknown) => process.send?.({ type: 'failure', id: message.id, message: String(error) }),
    );
  });
  process.send?.({ type: 'mounted' });
}

async function execute(mounts: readonly OpenMount[], command: TwoMountsCommand): Promise<unknown> {
  const mount = mounts[command.mount];
  if (mount === undefined) throw new Error(`there is no mount ${command.mount}`);
  switch (command.type) {
    case 'drain':
      return mount.drain(20_000);
    case 'status':
      return mount.status();
    case 'unmount':
      return mount.unmount();
  }
}

run().catch((error: unknown) => {
  process.send?.({ type: 'notMounted', message: error instanceof Error ? error.stack : String(error) });
  process.disconnect();
});
