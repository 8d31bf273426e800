/**
 * POSIX access control lists as acl(5) describes them, in the form of the extended attributes that hold them
 * (include/uapi/linux/posix_acl_xattr.h): a version and entries of tag, permissions and id.
 */

export const accessAclName = 'system.posix_acl_access';
export const defaultAclName = 'system.posix_acl_default';

const version = 2;
const headerBytes = 4;
const entryBytes = 8;

const tags = { owner: 0x01, user: 0x02, owningGroup: 0x04, group: 0x08, mask: 0x10, others: 0x20 } as const;

export interface AclEntry {
  readonly tag: number;
  /** Three bits, as one digit of a mode. */
  readonly permissions: number;
  /** Of a named user or group. */
  readonly id: number;
}

/** A list, or `undefined` for bytes that are none: those come from elsewhere, since the kernel checks what it is given. */
export function decodeAcl(bytes: Uint8Array): readonly AclEntry[] | undefined {
  if (bytes.length < headerBytes || (bytes.length - headerBytes) % entryBytes !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== version) return undefined;
  const entries: AclEntry[] = [];
  for (let at = headerBytes; at < bytes.length; at += entryBytes) {
    const [tag, permissions] = [view.getUint16(at, true), view.getUint16(at + 2, true) & 0o7];
    entries.push({ tag, permissions, id: view.getUint32(at + 4, true) });
  }
  const isWhole = [tags.owner, tags.owningGroup, tags.others].every((tag) =>
    entries.some((entry) => entry.tag === tag),
  );
  return isWhole ? entries : undefined;
}

export function encodeAcl(entries: readonly AclEntry[]): Uint8Array {
  const bytes = new Uint8Array(headerBytes + entries.length * entryBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, version, true);
  for (const [index, { tag, permissions, id }] of entries.entries()) {
    const at = headerBytes + index * entryBytes;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, permissions, true);
    view.setUint32(at + 4, id, true);
  }
  return bytes;
}

/** The permission bits that a file with this list shows: those of the group are the mask's, if there is one. */
export function permissionsOf(acl: readonly AclEntry[]): number {
  const of = (tag: number): number | undefined => acl.find((entry) => entry.tag === tag)?.permissions;
  const group = of(tags.mask) ?? of(tags.owningGroup) ?? 0;
  return ((of(tags.owner) ?? 0) << 6) | (group << 3) | (of(tags.others) ?? 0);
}

/** Whether the list says no more than permission bits can. */
export function isMinimal(acl: readonly AclEntry[]): boolean {
  return acl.every(({ tag }) => tag === tags.owner || tag === tags.owningGroup || tag === tags.others);
}

/** The list after chmod(2): the group's bits set the mask, if there is one. */
export function withPermissions(acl: readonly AclEntry[], mode: number): readonly AclEntry[] {
  return acl.map((entry) => ({ ...entry, permissions: bitsFor(entry, acl, mode) ?? entry.permissions }));
}

/** What a new file gets of its folder's default list: no entry that its maker does not ask for in `mode`. */
export function inherited(acl: readonly AclEntry[], mode: number): readonly AclEntry[] {
  return acl.map((entry) => {
    const bits = bitsFor(entry, acl, mode) ?? 0o7;
    return { ...entry, permissions: entry.permissions & bits };
  });
}

/** The bits of `mode` that speak of `entry`; `undefined` for one that only the list speaks of. */
function bitsFor(entry: AclEntry, acl: readonly AclEntry[], mode: number): number | undefined {
  const groupTag = acl.some(({ tag }) => tag === tags.mask) ? tags.mask : tags.owningGroup;
  switch (entry.tag) {
    case tags.owner:
      return (mode >> 6) & 0o7;
    case groupTag:
      return (mode >> 3) & 0o7;
    case tags.others:
      return mode & 0o7;
    default:
      return undefined;
  }
}
