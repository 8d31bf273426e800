/** What a test and the process that mounts a drive tell each other. */
export interface DriveProcessOptions {
  readonly mountpoint: string;
  /** Where replica and content files live; kept by the test, so that a drive can be killed and started again. */
  readonly cacheDirectory: string;
  readonly cacheBytesMax: number;
}

export type DriveCommand =
  /** Somebody else commits `content` (base64) as the file `name` in the root. Resolves when the kernel has taken it in. */
  | { readonly type: 'remoteContent'; readonly name: string; readonly content: string }
  | { readonly type: 'remoteRemove'; readonly name: string }
  | { readonly type: 'counts' }
  | { readonly type: 'evictAll' }
  | { readonly type: 'offline'; readonly offline: boolean }
  | { readonly type: 'unmount' };

export interface DriveCounts {
  readonly hydratedBlocks: number;
  readonly hydratedBytes: number;
  readonly usedBytes: number;
  readonly defects: readonly string[];
}

export type DriveReport =
  | { readonly type: 'mounted' }
  | { readonly type: 'notMounted'; readonly message: string }
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly message: string };
