import type { Ino } from './local-inode.ts';

/** What a remote change made stale in the kernel's caches. Each names exactly what changed. */
export type Invalidation =
  /** The name leads elsewhere or nowhere now; also where it led nowhere before (negative entries). */
  | { readonly type: 'entry'; readonly parent: Ino; readonly name: string }
  /** Attributes changed, content did not. */
  | { readonly type: 'attributes'; readonly ino: Ino }
  /** Content and attributes changed: another version is the head. */
  | { readonly type: 'content'; readonly ino: Ino };
