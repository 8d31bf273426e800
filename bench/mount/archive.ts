import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { sh } from './small-file-rows.ts';

/** Archives the first files of at most 64 KiB of the system's documentation and headers; returns how many those are. */
export function makeArchive(path: string, filesMax: number): number {
  const roots = ['/usr/share/doc', '/usr/include', '/usr/share/man', '/usr/lib'].filter((root) => existsSync(root));
  const found = sh('find "$@" -type f -size -64k', ...roots)
    .split('\n')
    .filter((line) => line !== '');
  const files = found.slice(0, filesMax);
  writeFileSync(`${path}.list`, files.join('\n'));
  sh('tar -P -cf "$1" -T "$1.list"', path);
  return files.length;
}

/** What `tar` unpacks such an archive with. */
export const unpackScript = 'tar -C "$2" --strip-components=1 -P -xf "$1" --transform="s,^/*,,"';

/** `tar` waits for nothing on the disk, and neither does anybody who unpacks. */
export function unpack(archive: string, directory: string): void {
  mkdirSync(directory);
  sh(unpackScript, archive, directory);
}
