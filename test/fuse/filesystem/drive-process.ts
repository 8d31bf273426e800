import { DriveError } from '../../../protocol/errors.ts';
import { mountFuse } from '../../../mount/fuse/fuse-mount.ts';
import type { FuseMount } from '../../../mount/fuse/fuse-mount.ts';
import type { DriveCommand, DriveCounts, DriveProcessOptions, DriveReport } from './drive-commands.ts';
import { LocalDrive } from './local-drive.ts';

/** The process under test: mounts a drive over a server in memory and plays the rest of the world over IPC. */

const options = JSON.parse(process.argv[2] ?? '{}') as DriveProcessOptions;
const drive = new LocalDrive(options.cacheDirectory, options.cacheBytesMax);
const get = drive.server.get.bind(drive.server);
let isOffline = false;
drive.server.get = (...request) => {
  if (isOffline) throw new DriveError('unavailable', 'the server cannot be reached');
  return get(...request);
};

async function execute(mount: FuseMount, command: DriveCommand): Promise<unknown> {
  switch (command.type) {
    case 'remoteContent':
      drive.remoteContent(command.name, Buffer.from(command.content, 'base64'));
      return drive.invalidator.settled();
    case 'remoteRemove':
      drive.remoteRemove(command.name);
      return drive.invalidator.settled();
    case 'counts': {
      const { hydratedBlocks, hydratedBytes } = drive.hydrator;
      const counts: DriveCounts = {
        hydratedBlocks,
        hydratedBytes,
        usedBytes: drive.files.usedBytes,
        defects: drive.errors,
      };
      return counts;
    }
    case 'evictAll':
      drive.files.evict(0);
      return undefined;
    case 'offline':
      isOffline = command.offline;
      return undefined;
    case 'unmount':
      return mount.unmount(1_000);
  }
}

function report(message: DriveReport): void {
  process.send?.(message);
}

async function run(): Promise<void> {
  const mount = await mountFuse(drive.filesystem, {
    mountpoint: options.mountpoint,
    onDefect: (error, opcode) =>
      drive.errors.push(`opcode ${opcode}: ${error instanceof Error ? error.stack : String(error)}`),
  });
  drive.invalidator.connect(mount.notifier);
  process.on('message', (message: { id: number; command: DriveCommand }) => {
    execute(mount, message.command).then(
      (result) => report({ type: 'result', id: message.id, result }),
      (error: unknown) => report({ type: 'failure', id: message.id, message: String(error) }),
    );
  });
  report({ type: 'mounted' });
  await mount.ended;
  await drive.close();
  process.disconnect();
}

run().catch((error: unknown) => {
  report({ type: 'notMounted', message: String(error) });
  process.disconnect();
});
