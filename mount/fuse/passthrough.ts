import { DriveError } from '../../protocol/errors.ts';
import { ioctl } from './system-calls.ts';

/** FUSE_DEV_IOC_BACKING_OPEN and _CLOSE: _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t). */
const openBackingRequest = 0x4010e501;
const closeBackingRequest = 0x4004e502;

/**
 * Names an open file to the kernel as one that OPEN or CREATE may hand reads and writes to (`FuseOpened.backingId` with
 * `openReplyFlags.passthrough`). Needs `FuseConnection.passthrough` and root. All opens of an inode at one time must name
 * the same backing file. The descriptor may be closed afterwards. Throws `unsupported` where the kernel refuses.
 */
export function openBacking(deviceFd: number, fileFd: number): number {
  const map = Buffer.alloc(16);
  map.writeInt32LE(fileFd, 0);
  const result = ioctl(deviceFd, openBackingRequest, map);
  if (result <= 0) {
    throw new DriveError('unsupported', `the kernel takes no backing file for passthrough (errno ${-result})`);
  }
  return result;
}

/** Takes the name back; files that are open keep their backing file. */
export function closeBacking(deviceFd: number, backingId: number): void {
  const id = Buffer.alloc(4);
  id.writeUInt32LE(backingId, 0);
  const result = ioctl(deviceFd, closeBackingRequest, id);
  if (result < 0) throw new DriveError('internal', `cannot close backing file ${backingId} (errno ${-result})`);
}
