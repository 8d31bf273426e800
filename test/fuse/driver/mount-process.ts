import { closeSync, openSync } from 'node:fs';
import { mountFuse } from '../../../mount/fuse/fuse-mount.ts';
import type { FuseMount } from '../../../mount/fuse/fuse-mount.ts';
import { openBacking } from '../../../mount/fuse/passthrough.ts';
import { asDriveError } from '../../../protocol/errors.ts';
import type { Command, MountProcessOptions, Report } from './commands.ts';
import { ProbedFilesystem } from './probed-filesystem.ts';

/** The process under test: mounts a filesystem in memory and does what the test tells it over IPC. */

const options = JSON.parse(process.argv[2] ?? '{}') as MountProcessOptions;
const unlimited = Number.POSITIVE_INFINITY;
const timeoutMs = options.timeouts === 'unlimited' ? unlimited : 0;
const filesystem = new ProbedFilesystem(
  { entryMs: timeoutMs, attributesMs: timeoutMs, negativeEntryMs: timeoutMs },
  { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
);
let defects = 0;

function report(message: Report): void {
  process.send?.(message);
}

/** The inode at a path below the root, without the kernel. */
function inoOf(path: string): number {
  let node = filesystem.root;
  for (const name of path.split('/').filter((part) => part !== '')) node = filesystem.child(node.ino, name);
  return node.ino;
}

async function execute(mount: FuseMount, command: Command): Promise<unknown> {
  switch (command.type) {
    case 'setContent': {
      const node = filesystem.node(inoOf(command.path));
      node.resize(0);
      node.write(0, Buffer.from(command.content));
      node.mtimeNs = BigInt(Date.now()) * 1_000_000n;
      return undefined;
    }
    case 'addFile': {
      const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
      filesystem.addFile(inoOf(command.parent), command.name, command.content, self);
      return undefined;
    }
    case 'removeFile':
      filesystem.removeName(inoOf(command.parent), command.name);
      return undefined;
    case 'invalidateContent':
      return mount.notifier.invalidateContent(inoOf(command.path), command.offset, command.length);
    case 'invalidateAttributes':
      return mount.notifier.invalidateAttributes(inoOf(command.path));
    case 'invalidateEntry':
      return mount.notifier.invalidateEntry(inoOf(command.parent), command.name);
    case 'invalidateManyTimes': {
      const ino = inoOf(command.path);
      for (let done = 0; done < command.times; done += 1) {
        await mount.notifier.invalidateContent(ino);
        await mount.notifier.invalidateEntry(filesystem.root.ino, command.path);
      }
      return undefined;
    }
    case 'hold':
      return void filesystem.held.add(inoOf(command.path));
    case 'letGo':
      return void filesystem.letGo();
    case 'answerLater':
      return void filesystem.asynchronous.add(inoOf(command.path));
    case 'back': {
      const fd = openSync(command.by, 'r+');
      filesystem.backing.set(inoOf(command.path), openBacking(mount.deviceFd, fd));
      return void closeSync(fd);
    }
    case 'counts':
      return { ...filesystem.counts, inodes: filesystem.inodeCount, defects, cpuUs: cpuUs() };
    case 'unmount':
      return mount.unmount(command.graceMs);
  }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function run(): Promise<void> {
  const executing = new Set<Promise<void>>();
  const mount = await mountFuse(filesystem, { ...options, onDefect: () => (defects += 1) });
  process.on('message', (message: { id: number; command: Command }) => {
    const executed = execute(mount, message.command)
      .then(
        (result) => report({ type: 'result', id: message.id, result }),
        (error: unknown) => report({ type: 'failure', id: message.id, message: asDriveError(error).message }),
      )
      .finally(() => executing.delete(executed));
    executing.add(executed);
  });
  report({ type: 'mounted' });
  await mount.ended;
  await Promise.all(executing);
  process.disconnect();
}

run().catch((error: unknown) => {
  const { code, message } = asDriveError(error);
  report({ type: 'notMounted', code, message });
  process.disconnect();
});
