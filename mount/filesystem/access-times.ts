import { inodeOf } from './filesystem-parts.ts';
import type { FilesystemParts } from './filesystem-parts.ts';
import type { Node } from './nodes.ts';

const dayNs = 86_400_000_000_000n;

/**
 * Notes that `node` was read, as mount option relatime does (mount(8)): its atime moves once after each change, and once
 * a day. It stays on this mount, and unlike utimensat(2) it moves no ctime.
 */
export function noteAccess(parts: FilesystemParts, node: Node): void {
  const { tree, clock } = parts;
  const { atimeNs, mtimeNs, ctimeNs } = inodeOf(parts, node);
  const nowNs = clock.nowNs();
  const isDue = atimeNs <= mtimeNs || atimeNs <= ctimeNs || nowNs - atimeNs >= dayNs;
  if (isDue) tree.setAttributes(node.ino, { atimeNs: nowNs }, nowNs);
}
