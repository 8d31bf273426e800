import { DriveError } from '../../protocol/errors.ts';
import type { InodeState } from '../../protocol/inode-state.ts';

/**
 * The strong entity tag of a file: its inode and version name its bytes for ever (RFC 9110 §8.8.3). What is not a
 * file has none.
 */
export function etagOf(state: InodeState): string | null {
  return state.kind === 'file' ? `"${state.inode}-${state.version}"` : null;
}

/** Whether two entity tags are the same and both strong (RFC 9110 §8.8.3.2). */
export function matchesStrongly(one: string, other: string): boolean {
  return one === other && !one.startsWith('W/');
}

/** Whether two entity tags are the same, weak or not. */
export function matchesWeakly(one: string, other: string): boolean {
  return one.replace(/^W\//, '') === other.replace(/^W\//, '');
}

const oneTag = /[\t ]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[\t ]*(,|$)/y;

/** Reads `*` or a list of entity tags (If-Match, If-None-Match). Throws `invalidArgument`. */
export function parseEtagList(header: string): '*' | string[] {
  if (header.trim() === '*') return '*';
  const tags: string[] = [];
  oneTag.lastIndex = 0;
  for (;;) {
    const match = oneTag.exec(header);
    if (match === null) throw new DriveError('invalidArgument', 'an If-Match or If-None-Match header is malformed');
    tags.push(match[1] ?? '');
    if (match[2] === '') return tags;
  }
}
