import { DriveError } from '../../protocol/errors.ts';
import { rootIno } from './local-inode.ts';
import type { Ino, LocalInode } from './local-inode.ts';
import type { LocalTree } from './local-tree.ts';

const entriesAtOnce = 256;

/** The inode at a path from the root of the drive, `/` between names; `` is the root. Throws `notFound`. */
export function inodeAt(tree: Pick<LocalTree, 'inode' | 'lookup'>, path: string): LocalInode {
  let at = tree.inode(rootIno);
  for (const name of path.split('/').filter((part) => part !== '')) {
    at = at?.kind === 'directory' ? tree.lookup(at.ino, name) : undefined;
  }
  if (at === undefined) throw new DriveError('notFound', `there is no ${path} in this drive`);
  return at;
}

/** The files at and below an inode, one after the other; what changes meanwhile may be in it or not. */
export function* filesAt(tree: Pick<LocalTree, 'inode' | 'list'>, ino: Ino): Generator<LocalInode> {
  const directories: Ino[] = [ino];
  const start = tree.inode(ino);
  if (start?.kind === 'file') yield start;
  if (start?.kind !== 'directory') return;
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    for (let cookie = 0; ;) {
      const entries = tree.list(directory, cookie, entriesAtOnce);
      for (const { inode } of entries) {
        if (inode.kind === 'file') yield inode;
        else if (inode.kind === 'directory') directories.push(inode.ino);
      }
      const last = entries.at(-1);
      if (last === undefined) break;
      cookie = last.cookie;
    }
  }
}
