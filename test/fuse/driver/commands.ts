import type { DriveErrorCode } from '../../../protocol/errors.ts';

/** What a test and the process that mounts tell each other. */

export interface MountProcessOptions {
  readonly mountpoint: string;
  /** `none`: the kernel asks for everything each time. */
  readonly timeouts: 'unlimited' | 'none';
  readonly readOnly?: boolean;
  readonly allowOther?: boolean;
  readonly passthrough?: boolean;
}

export type Command =
  | { readonly type: 'setContent'; readonly path: string; readonly content: string }
  | { readonly type: 'addFile'; readonly parent: string; readonly name: string; readonly content: string }
  | { readonly type: 'removeFile'; readonly parent: string; readonly name: string }
  | { readonly type: 'invalidateContent'; readonly path: string; readonly offset?: number; readonly length?: number }
  | { readonly type: 'invalidateAttributes'; readonly path: string }
  | { readonly type: 'invalidateEntry'; readonly parent: string; readonly name: string }
  | { readonly type: 'invalidateManyTimes'; readonly path: string; readonly times: number }
  | { readonly type: 'hold'; readonly path: string }
  | { readonly type: 'letGo' }
  | { readonly type: 'answerLater'; readonly path: string }
  /** Serves opens from now on by passthrough to the file `by`. */
  | { readonly type: 'back'; readonly path: string; readonly by: string }
  | { readonly type: 'counts' }
  | { readonly type: 'unmount'; readonly graceMs?: number };

export interface Counts {
  readonly lookups: number;
  readonly reads: number;
  readonly writes: number;
  readonly largestWriteBytes: number;
  readonly waiting: number;
  readonly interrupted: number;
  readonly inodes: number;
  readonly defects: number;
  readonly cpuUs: number;
}

export type Report =
  | { readonly type: 'mounted' }
  | { readonly type: 'notMounted'; readonly code: DriveErrorCode; readonly message: string }
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly message: string };
