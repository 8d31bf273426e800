import type { Clock } from '../../protocol/environment.ts';
import type { Ino } from '../replica/local-inode.ts';
import type { LocalTree } from '../replica/local-tree.ts';
import type { ContentMove } from '../replica/synced-tree.ts';
import type { ContentFile } from './content-file.ts';

/** What of the tree the content files must know. Of one that does not tell of its commits each change counts as one. */
export type ContentTree = Pick<LocalTree, 'inode' | 'contentSequence' | 'contentChanged' | 'durable'> &
  Partial<Pick<LocalTree, 'beforeCommits'>>;

export interface ContentFilesOptions {
  /** Private to the mount; made if it is not there. */
  readonly directory: string;
  /** How much of the local disk they may take, dirty and pinned ones included; what has to stay may take more. */
  readonly cacheBytesMax: number;
  readonly tree: ContentTree;
  /** Moves that an earlier run may not have made, oldest first: they are made before anything else. */
  readonly unfinishedMoves?: readonly ContentMove[];
  readonly clock: Clock;
  /** Tells this run of the machine from others: what is in its memory survives a process, not a reboot. */
  readonly bootId: string;
  /** Whether a file must stay once it is here. */
  readonly isPinned?: (ino: Ino) => boolean;
  /** Brings missing bytes of a file in. */
  readonly hydrate: (file: ContentFile, offset: number, length: number) => Promise<void>;
}
