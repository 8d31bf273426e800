import type { InodeState } from '../../protocol/inode-state.ts';
import type { Place } from '../../protocol/operations.ts';

/** As Linux counts (path_resolution(7)). */
const linksMax = 40;

/** Where following ended: at a file or directory, with the real directories above or, for a directory, up to it. */
export interface Followed {
  readonly state: InodeState;
  readonly directories: readonly InodeState[];
}

/**
 * Follows `entry`, which stands in the last of `directories` (the chain of real directories from the root on),
 * through any symlinks to a file or directory. `null` if it leads nowhere, out of the namespace, in circles, or to
 * something else.
 */
export async function followLink(
  lookup: (place: Place) => Promise<InodeState | null>,
  directories: readonly InodeState[],
  entry: InodeState,
): Promise<Followed | null> {
  const chain = [...directories];
  const names: string[] = [];
  let links = 0;
  let state: InodeState | null = entry;
  for (;;) {
    if (state.kind === 'symlink') {
      const target: string = state.target ?? '';
      if (target.startsWith('/') || ++links > linksMax) return null;
      names.unshift(...target.split('/').filter((name) => name !== '' && name !== '.'));
    } else if (state.kind === 'directory') {
      if (state !== chain.at(-1)) chain.push(state);
    } else {
      return state.kind === 'file' && names.length === 0 ? { state, directories: chain } : null;
    }
    const name = names.shift();
    if (name === '..') chain.pop();
    const directory = chain.at(-1);
    if (directory === undefined) return null;
    if (name === undefined && state.kind === 'directory') return { state, directories: chain };
    state = name === undefined || name === '..' ? directory : await lookup({ parent: directory.inode, name });
    if (state === null) return null;
  }
}
