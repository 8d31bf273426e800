import { z } from 'zod';
import type { Change, ChangeBatch } from '../changes.ts';
import { inodeKinds } from '../inode-state.ts';
import type { InodeState } from '../inode-state.ts';
import type { At, DirectoryPage, NamespaceInfo, VersionInfo } from '../metadata.ts';
import type { Place } from '../operations.ts';
import { roles } from '../roles.ts';
import {
  bytes,
  checkedName,
  clientCommitId,
  commitMark,
  count,
  cursor,
  deviceId,
  inodeId,
  manifest,
  namespaceId,
  requestedName,
  timeMs,
  timeNs,
  version,
} from './scalars.ts';
import type { WireSchema } from './wire-json.ts';

export const attributeSchemas = {
  mode: z.int().min(0).max(0o7777),
  uid: z.int().min(0).max(0xffff_ffff).nullable(),
  gid: z.int().min(0).max(0xffff_ffff).nullable(),
  mtimeNs: timeNs,
  ctimeNs: timeNs,
};

export const kind = z.enum(inodeKinds);
export const rdev = z.int().min(0).max(0xffff_ffff);
export const role = z.enum(roles);

/** Extended attributes as pairs: an object's keys could not hold every name (`__proto__`). */
export const xattrs = z.codec(z.array(z.tuple([z.string(), bytes])), z.custom<ReadonlyMap<string, Uint8Array>>(), {
  decode: (pairs) => new Map(pairs),
  encode: (map) => [...map],
});

export const inodeState = z.strictObject({
  ...attributeSchemas,
  inode: inodeId,
  kind,
  size: count,
  version,
  rdev,
  target: z.string().nullable(),
  xattrs,
}) satisfies WireSchema<InodeState>;

export const place = z.strictObject({ parent: inodeId, name: checkedName }) satisfies WireSchema<Place>;
export const requestedPlace = z.strictObject({ parent: inodeId, name: requestedName }) satisfies WireSchema<Place>;

/** A moment in the past to look at. */
export const at: WireSchema<At> = z.strictObject({ cursor: cursor.exactOptional() });

export const change: WireSchema<Change> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('inode'), state: inodeState, manifest: manifest.nullable() }),
  z.strictObject({ type: z.literal('inodeGone'), inode: inodeId }),
  z.strictObject({ type: z.literal('dentry'), parent: inodeId, name: checkedName, inode: inodeId.nullable() }),
]);

export const changeBatch: WireSchema<ChangeBatch> = z.strictObject({
  cursor,
  last: z.boolean(),
  changes: z.array(change),
  clientCommitId: clientCommitId.nullable(),
  author: z.string().nullable(),
  device: deviceId.nullable(),
  timeMs,
  mark: commitMark.exactOptional(),
});

export const namespaceInfo: WireSchema<NamespaceInfo> = z.strictObject({
  id: namespaceId,
  name: z.string(),
  role,
  cursor,
  quotaBytes: count.nullable(),
  usedBytes: z.int(),
});

export const directoryPage: WireSchema<DirectoryPage> = z.strictObject({
  entries: z.array(z.strictObject({ name: checkedName, state: inodeState })),
  next: z.string().nullable(),
});

export const versionInfo: WireSchema<VersionInfo> = z.strictObject({
  inode: inodeId,
  version,
  size: count,
  timeMs,
  author: z.string(),
});
