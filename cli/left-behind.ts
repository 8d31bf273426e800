import { formatByteSize } from './byte-size.ts';
import type { MountStatus } from './control-protocol.ts';

/** Says what a mount leaves when it ends before all is uploaded, and where that is safe. */
export function describeLeft(status: Pick<MountStatus, 'dirtyEntries' | 'dirtyBytes' | 'cacheDirectory'>): string {
  const { dirtyEntries, dirtyBytes, cacheDirectory } = status;
  const changes = dirtyEntries === 1 ? '1 change' : `${dirtyEntries} changes`;
  return `${changes} (${formatByteSize(dirtyBytes)}) not uploaded yet: safe in ${cacheDirectory}, and uploaded by the next mount`;
}
