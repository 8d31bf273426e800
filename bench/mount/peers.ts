import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** What the mount is compared with: the local disk itself, and a FUSE filesystem in C that passes everything on to it. */
export interface Peers {
  readonly directories: ReadonlyMap<string, string>;
  close(): void;
}

/** Makes the peers below `directory`. Without bindfs (Debian: bindfs) there is only the disk, and that is said. */
export function openPeers(directory: string): Peers {
  const disk = join(directory, 'disk');
  const backing = join(directory, 'bindfs-backing');
  const mirror = join(directory, 'bindfs');
  for (const path of [disk, backing, mirror]) mkdirSync(path, { recursive: true });
  const directories = new Map([['disk', disk]]);
  const bound = spawnSync('bindfs', [backing, mirror], { encoding: 'utf8' });
  if (bound.status === 0) directories.set('bindfs', mirror);
  else console.log(`no bindfs to compare with: ${bound.error?.message ?? bound.stderr}`);
  return {
    directories,
    close: () => {
      if (bound.status === 0) spawnSync('umount', ['-l', mirror]);
    },
  };
}
