import { Command, InvalidArgumentError } from 'commander';
import { DriveError, isDriveError } from '../../protocol/errors.ts';
import { makeId, type ClientCommitId, type InodeId } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import type { VersionInfo } from '../../protocol/metadata.ts';
import type { Operation } from '../../protocol/operations.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';
import { printLine } from '../output.ts';
import type { RemotePlace } from '../remote-place.ts';

const plainFileMode = 0o644;

/** `holdfast restore PATH --version V`: an earlier version becomes the newest; the present one stays in the history. */
export function restoreCommand(): Command {
  return new Command('restore')
    .description('bring back an earlier version of a file; what is there now stays in its history')
    .argument('<PATH>', 'a file in a mounted drive; it need not exist any more')
    .requiredOption('--version <V>', 'which version, as "holdfast log" lists them', parseVersion)
    .option('--to <PATH>', 'where to put it instead, in the same drive')
    .addHelpText('before', 'Example:\n  holdfast restore ~/Drive/report.txt --version 12 --to ~/Drive/report-old.txt\n')
    .action(async (path: string, options: { version: number; to?: string }) => {
      const { openPlace } = await import('../remote-place.ts');
      using source = await openPlace(path);
      const target = options.to === undefined ? source : await openPlace(options.to);
      try {
        if (target.namespace !== source.namespace) {
          throw new DriveError('invalidArgument', `${options.to ?? ''} is in another drive; copy it there instead`);
        }
        const versions = await source.drive.versions(source.namespace, source.place);
        const wanted = versions.find((one) => one.version === options.version);
        if (wanted === undefined) throw new DriveError('notFound', `${path} has no version ${options.version}`);
        await putVersion(source, target, wanted);
        printLine(`${target.path} is as it was in version ${options.version}`);
      } finally {
        if (target !== source) target[Symbol.dispose]();
      }
    });
}

function parseVersion(text: string): number {
  if (!/^[1-9]\d{0,15}$/.test(text))
    throw new InvalidArgumentError('a version is a number, as "holdfast log" lists it');
  return Number(text);
}

/** Commits the old manifest anew: no block moves. */
async function putVersion(source: RemotePlace, target: RemotePlace, wanted: VersionInfo): Promise<void> {
  const { drive, namespace } = source;
  const manifest = await drive.manifest(namespace, wanted.inode, wanted.version);
  const present = await stateThere(target);
  const nowNs = systemClock.nowNs();
  const times = { mtimeNs: nowNs, ctimeNs: nowNs };
  const operation: Operation =
    present === undefined
      ? {
          type: 'create',
          ...target.place,
          inode: makeId<InodeId>(systemClock, systemRandomness),
          kind: 'file',
          mode: plainFileMode,
          uid: null,
          gid: null,
          rdev: 0,
          target: null,
          manifest,
          xattrs: new Map(),
          ...times,
        }
      : { type: 'content', inode: present.inode, base: present.version, manifest, ...times };
  await drive.commit(namespace, {
    clientCommitId: makeId<ClientCommitId>(systemClock, systemRandomness),
    operations: [operation],
    onConflict: 'refuse',
  });
}

/** What stands at a place now; `undefined` if nothing. Throws `isDirectory` and the like where no file can be put. */
async function stateThere(target: RemotePlace): Promise<InodeState | undefined> {
  try {
    const state = await target.drive.lookup(target.namespace, target.place);
    if (state.kind !== 'file') throw new DriveError('exists', `${target.path} is there and is no file`);
    return state;
  } catch (error) {
    if (isDriveError(error, 'notFound')) return undefined;
    throw error;
  }
}
