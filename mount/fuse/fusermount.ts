import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { DriveError } from '../../protocol/errors.ts';
import type { MountSettings } from './mount-settings.ts';
import { receiveDescriptor, socketPair } from './system-calls.ts';

/** The setuid program of Debian's fuse3 that mounts for an ordinary user. */
const program = 'fusermount3';
const timeoutMs = 30_000;

/**
 * Mounts as an ordinary user and returns the open descriptor of /dev/fuse, which fusermount3 sends over a socket that
 * it finds by `_FUSE_COMMFD` (fusermount3(1), libfuse mount_util). Throws `unsupported` without fusermount3, `forbidden` with its own words
 * if it refuses.
 */
export async function mountWithFusermount(path: string, settings: MountSettings): Promise<number> {
  const pair = socketPair();
  if (typeof pair === 'number') throw new DriveError('internal', `socketpair failed (errno ${-pair})`);
  const [ours, theirs] = pair;
  try {
    const { exitCode, errorText } = await runFusermount(['-o', optionsOf(settings), '--', path], theirs).finally(() =>
      closeSync(theirs),
    );
    if (exitCode !== 0) throw new DriveError('forbidden', `cannot mount at ${path}: ${errorText}${hintFor(errorText)}`);
    const fd = receiveDescriptor(ours);
    if (fd <= 0) throw new DriveError('internal', `${program} sent no descriptor (errno ${-fd})`);
    return fd;
  } finally {
    closeSync(ours);
  }
}

/** What to do about the refusals that have a remedy. */
function hintFor(errorText: string): string {
  if (/open \/dev\/fuse: Permission denied/.test(errorText)) {
    return '; users other than root may not open /dev/fuse here (root can allow it: chmod 666 /dev/fuse)';
  }
  return '';
}

function optionsOf(settings: MountSettings): string {
  const options = [
    settings.readOnly ? 'ro' : 'rw',
    'nosuid',
    'nodev',
    'default_permissions',
    `fsname=${settings.source.replaceAll(/[\\,]/g, '\\$&')}`,
    'subtype=holdfast',
  ];
  if (settings.allowOther) options.push('allow_other');
  return options.join(',');
}

export interface FusermountResult {
  readonly exitCode: number | null;
  /** What it wrote to stderr, without the line end. */
  readonly errorText: string;
}

/** Runs fusermount3 with `socket`, if given, as its descriptor 3. */
export function runFusermount(args: readonly string[], socket?: number): Promise<FusermountResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', _FUSE_COMMFD: '3' },
      stdio: socket === undefined ? ['ignore', 'ignore', 'pipe'] : ['ignore', 'ignore', 'pipe', socket],
      timeout: timeoutMs,
    });
    let errorText = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      errorText = (errorText + chunk.toString()).slice(-2000);
    });
    child.on('error', (cause: NodeJS.ErrnoException) => {
      const missing = cause.code === 'ENOENT';
      const message = missing
        ? `${program} is not installed; it mounts for users other than root (Debian: apt install fuse3)`
        : `cannot run ${program}: ${cause.message}`;
      reject(new DriveError(missing ? 'unsupported' : 'internal', message, { cause }));
    });
    child.on('close', (exitCode) => resolve({ exitCode, errorText: errorText.trim() }));
  });
}
