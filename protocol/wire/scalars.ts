import { z } from 'zod';
import { DriveError } from '../errors.ts';
import type { BlockHash, ClientCommitId, CommitMark, Cursor, DeviceId } from '../ids.ts';
import type { InodeId, NamespaceId, UserId, Version } from '../ids.ts';
import { checkManifest, decodeManifest, encodeManifest } from '../manifest.ts';
import type { Manifest } from '../manifest.ts';
import { checkName } from '../names.ts';

/** Gives a schema of plain strings or numbers the branded type that its check has earned. */
function branded<Branded extends string | number>(schema: z.ZodType<string | number>): z.ZodType<Branded, Branded> {
  return schema as unknown as z.ZodType<Branded, Branded>;
}

const id = z.string().regex(/^[0-9a-f]{32}$/, 'not an id');
const position = z.int().min(0);

export const userId = branded<UserId>(id);
export const deviceId = branded<DeviceId>(id);
export const namespaceId = branded<NamespaceId>(id);
export const inodeId = branded<InodeId>(id);
export const clientCommitId = branded<ClientCommitId>(id);
export const commitMark = branded<CommitMark>(id);
export const cursor = branded<Cursor>(position);
export const version = branded<Version>(position);
export const blockHash = branded<BlockHash>(z.string().regex(/^[0-9a-f]{64}$/, 'not a block hash'));

/** Bytes or a count of something, never negative. */
export const count = z.int().min(0);

/** Wall-clock milliseconds. */
export const timeMs = z.number();

const nanosecondsMax = 2n ** 63n;

/** Nanoseconds since the epoch, as a decimal string: JSON numbers end at 2^53. Signed 64 bits, as databases hold them. */
export const timeNs = z.codec(z.string().regex(/^(0|-?[1-9]\d{0,18})$/, 'not a time in nanoseconds'), z.bigint(), {
  decode: (text) => checkNanoseconds(BigInt(text)),
  encode: (value) => checkNanoseconds(value).toString(),
});

function checkNanoseconds(value: bigint): bigint {
  if (value >= -nanosecondsMax && value < nanosecondsMax) return value;
  throw new DriveError('invalidArgument', `${value} nanoseconds do not fit into 64 bits`);
}

/** The regular expressions of schema libraries overflow on megabytes; comparing with the way back does not. */
function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new DriveError('invalidArgument', 'malformed base64');
  return bytes;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

const base64Text = z.string().meta({ contentEncoding: 'base64' });

const uint8Array = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'not bytes');

export const bytes = z.codec(base64Text, uint8Array, { decode: fromBase64, encode: toBase64 });

/** A manifest in its stored form (`encodeManifest`) as base64: 54 characters an entry, half of what JSON would take. */
export const manifest = z.codec(base64Text, z.custom<Manifest>(), {
  decode: (text) => {
    const value = readManifest(fromBase64(text));
    checkManifest(value);
    return value;
  },
  encode: (value) => toBase64(encodeManifest(value)),
});

function readManifest(encoded: Uint8Array): Manifest {
  try {
    return decodeManifest(encoded);
  } catch (cause) {
    throw new DriveError('invalidArgument', 'malformed manifest', { cause });
  }
}

/** A name in an answer: the mount hands it to the kernel, so it is checked here whoever the server is. */
export const checkedName = z.string().refine((name) => {
  checkName(name);
  return true;
});

/** A name in a request: the metadata judges it, with the same error as without a wire. */
export const requestedName = z.string();
