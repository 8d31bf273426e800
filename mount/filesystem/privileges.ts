import { readFileSync } from 'node:fs';
import { modeWithoutPrivileges } from '../fuse/fuse-filesystem.ts';
import type { RequestContext } from '../fuse/request-context.ts';
import type { LocalInode } from '../replica/local-inode.ts';

const setgid = 0o2000;
const groupExecute = 0o0010;

/**
 * `inode`'s mode after its owner was changed, or its content by a caller without CAP_FSETID (inode(7), chown(2)): no setuid, and
 * no setgid where the group may execute or `context` does not belong to the group.
 */
export function modeAfterChange(inode: LocalInode, gid: number, context: RequestContext): number {
  const mode = modeWithoutPrivileges(inode.mode);
  if ((mode & setgid) === 0 || (mode & groupExecute) !== 0) return mode;
  return isInGroup(context, gid) ? mode : mode & ~setgid;
}

/** Root counts as a member of every group, and so does a caller that is gone by now or acts for the kernel. */
export function isInGroup(context: RequestContext, gid: number): boolean {
  if (context.uid === 0 || context.gid === gid || context.pid === 0) return true;
  return supplementaryGroups(context.pid)?.includes(gid) ?? true;
}

/** The kernel's requests name only one group of the caller; proc(5) knows the others. */
function supplementaryGroups(pid: number): readonly number[] | undefined {
  try {
    const groups = /^Groups:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return groups?.split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return undefined;
  }
}
