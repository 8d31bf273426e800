import { z } from 'zod';
import type { CommitRequest, CommitResult, Operation, Outcome } from '../operations.ts';
import {
  bytes,
  clientCommitId,
  commitMark,
  cursor,
  inodeId,
  manifest,
  requestedName,
  timeNs,
  version,
} from './scalars.ts';
import { attributeSchemas, change, kind, place, rdev, requestedPlace, xattrs } from './tree-schemas.ts';
import type { WireSchema } from './wire-json.ts';

/** Extended attributes to set, or with `null` to remove. */
const xattrChanges = z.codec(
  z.array(z.tuple([z.string(), bytes.nullable()])),
  z.custom<ReadonlyMap<string, Uint8Array | null>>(),
  { decode: (pairs) => new Map(pairs), encode: (map) => [...map] },
);

const setAttributes = z.strictObject({
  mode: attributeSchemas.mode.exactOptional(),
  uid: attributeSchemas.uid.exactOptional(),
  gid: attributeSchemas.gid.exactOptional(),
  mtimeNs: timeNs.exactOptional(),
  ctimeNs: timeNs.exactOptional(),
});

const placeFields = { parent: inodeId, name: requestedName };

const operation: WireSchema<Operation> = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('create'),
    ...placeFields,
    ...attributeSchemas,
    inode: inodeId,
    kind,
    rdev,
    target: z.string().nullable(),
    manifest: manifest.nullable(),
    xattrs,
  }),
  z.strictObject({ type: z.literal('link'), ...placeFields, inode: inodeId }),
  z.strictObject({
    type: z.literal('unlink'),
    ...placeFields,
    inode: inodeId,
    base: version,
    recursive: z.boolean(),
  }),
  z.strictObject({ type: z.literal('move'), inode: inodeId, from: requestedPlace, to: requestedPlace }),
  z.strictObject({
    type: z.literal('content'),
    inode: inodeId,
    base: version,
    manifest,
    mtimeNs: timeNs,
    ctimeNs: timeNs,
  }),
  z.strictObject({ type: z.literal('attributes'), inode: inodeId, set: setAttributes, xattrs: xattrChanges }),
]);

export const commitRequest: WireSchema<CommitRequest> = z.strictObject({
  clientCommitId,
  operations: z.array(operation),
  onConflict: z.enum(['resolve', 'refuse']),
  after: z.strictObject({ cursor, mark: commitMark }).exactOptional(),
});

const outcome: WireSchema<Outcome> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('applied') }),
  z.strictObject({ type: z.literal('merged'), inode: inodeId }),
  z.strictObject({ type: z.literal('conflictedCopy'), inode: inodeId, place }),
  z.strictObject({ type: z.literal('restored'), inode: inodeId, place }),
  z.strictObject({ type: z.literal('refused'), reason: z.enum(['editWins', 'movedElsewhere', 'cycle', 'gone']) }),
]);

export const commitResult: WireSchema<CommitResult> = z.strictObject({
  cursor,
  outcomes: z.array(outcome),
  corrections: z.array(change),
  mark: commitMark.exactOptional(),
});
