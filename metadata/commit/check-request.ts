import { DriveError } from '../../protocol/errors.ts';
import { isPosition, parseBlockHash, parseId } from '../../protocol/ids.ts';
import { inodeKinds } from '../../protocol/inode-state.ts';
import type { InodeAttributes } from '../../protocol/inode-state.ts';
import { limits } from '../../protocol/limits.ts';
import { checkManifest, isHole } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import { checkName } from '../../protocol/names.ts';
import type { CommitRequest, CreateOperation, Operation, Place } from '../../protocol/operations.ts';

const profileBytesMax = 255;
const idMax = 2 ** 32 - 2;
const timeNsMax = 2n ** 63n;

/**
 * Throws unless the request could be carried out on some tree: well-formed names, ids, attributes and manifests,
 * within the limits, and no inode or place named twice where once is the rule. It looks at nothing but the request.
 */
export function checkRequest(request: CommitRequest): void {
  parseId(request.clientCommitId);
  if (request.onConflict !== 'resolve' && request.onConflict !== 'refuse') throw invalid('onConflict is unknown');
  if (request.operations.length > limits.commitOperationsMax) {
    throw new DriveError('tooLarge', `a commit has at most ${limits.commitOperationsMax} operations`);
  }
  const once = new Once();
  let entries = 0;
  for (const operation of request.operations) {
    parseId(operation.inode);
    checkOperation(operation, once);
    entries += manifestOf(operation)?.entries.length ?? 0;
  }
  if (entries > limits.commitManifestEntriesMax) {
    throw new DriveError('tooLarge', `a commit has at most ${limits.commitManifestEntriesMax} manifest entries`);
  }
}

/** The manifest that an operation brings along. */
export function manifestOf(operation: Operation): Manifest | null {
  return operation.type === 'create' || operation.type === 'content' ? operation.manifest : null;
}

/** Remembers what was named, and throws the second time. */
class Once {
  readonly #seen = new Set<string>();

  check(role: string, key: string, complaint: string): void {
    const entry = `${role} ${key}`;
    if (this.#seen.has(entry)) throw invalid(complaint);
    this.#seen.add(entry);
  }

  inode(operation: Operation): void {
    this.check(operation.type, operation.inode, `two "${operation.type}" operations name inode ${operation.inode}`);
  }

  given(place: Place): void {
    this.check('given', `${place.parent}/${place.name}`, `two operations put something at "${place.name}"`);
  }

  taken(place: Place): void {
    this.check('taken', `${place.parent}/${place.name}`, `two operations take "${place.name}" away`);
  }
}

function checkOperation(operation: Operation, once: Once): void {
  switch (operation.type) {
    case 'create':
      once.inode(operation);
      once.given(checkedPlace(operation));
      return checkCreate(operation);
    case 'link':
      return once.given(checkedPlace(operation));
    case 'unlink':
      if (!isPosition(operation.base)) throw invalid('a base is a version');
      return once.taken(checkedPlace(operation));
    case 'move':
      once.inode(operation);
      once.taken(checkedPlace(operation.from));
      return once.given(checkedPlace(operation.to));
    case 'content':
      once.inode(operation);
      if (!isPosition(operation.base)) throw invalid('a base is a version');
      checkAttributes(operation);
      return checkContent(operation.manifest);
    case 'attributes':
      once.inode(operation);
      checkAttributes(operation.set);
      return checkXattrs(operation.xattrs);
    default:
      throw invalid('an operation has an unknown type');
  }
}

function checkedPlace(place: Place): Place {
  parseId(place.parent);
  checkName(place.name);
  return place;
}

function checkCreate(operation: CreateOperation): void {
  const { kind, target, manifest, rdev } = operation;
  if (!inodeKinds.includes(kind)) throw invalid('an inode has an unknown kind');
  checkAttributes(operation);
  if (operation.mode === undefined || operation.mtimeNs === undefined || operation.ctimeNs === undefined) {
    throw invalid('a new inode needs a mode and times');
  }
  checkXattrs(operation.xattrs);
  if (!Number.isSafeInteger(rdev) || rdev < 0) throw invalid('a device number cannot be negative');
  if ((kind === 'symlink') !== (target !== null)) throw invalid('a symlink, and nothing else, has a target');
  if (target !== null) checkTarget(target);
  if (manifest === null) return;
  if (kind !== 'file') throw invalid('only a file has content');
  checkContent(manifest);
}

function checkTarget(target: string): void {
  if (target === '' || target.includes('\0') || !target.isWellFormed()) throw invalid('a symlink target is malformed');
  if (Buffer.byteLength(target) > limits.symlinkTargetBytesMax) {
    throw new DriveError('tooLarge', `a symlink target has at most ${limits.symlinkTargetBytesMax} bytes`);
  }
}

function checkAttributes(set: Partial<InodeAttributes>): void {
  if (set.mode !== undefined && !isIn(set.mode, 0o7777)) throw invalid('a mode has permission bits only');
  for (const id of [set.uid, set.gid]) {
    if (id !== undefined && id !== null && !isIn(id, idMax)) throw invalid(`${id} is not a user or group id`);
  }
  for (const time of [set.mtimeNs, set.ctimeNs]) {
    if (time === undefined) continue;
    if (typeof time !== 'bigint' || time >= timeNsMax || time < -timeNsMax) throw invalid('a time is out of range');
  }
}

function checkXattrs(xattrs: ReadonlyMap<string, Uint8Array | null>): void {
  if (xattrs.size > limits.xattrsPerInodeMax) {
    throw new DriveError('tooLarge', `a file has at most ${limits.xattrsPerInodeMax} extended attributes`);
  }
  for (const [name, value] of xattrs) {
    if (name === '' || name.includes('\0') || !name.isWellFormed()) throw invalid('an attribute name is malformed');
    if (Buffer.byteLength(name) > limits.xattrNameBytesMax) {
      throw new DriveError('tooLarge', `an attribute name has at most ${limits.xattrNameBytesMax} bytes`);
    }
    if (value !== null && value.byteLength > limits.xattrValueBytesMax) {
      throw new DriveError('tooLarge', `an attribute value has at most ${limits.xattrValueBytesMax} bytes`);
    }
  }
}

function checkContent(manifest: Manifest): void {
  if (Buffer.byteLength(manifest.profile) > profileBytesMax || !manifest.profile.isWellFormed()) {
    throw invalid('the name of a chunking profile is malformed');
  }
  checkManifest(manifest);
  for (const entry of manifest.entries) if (!isHole(entry)) parseBlockHash(entry.hash);
}

function isIn(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= max;
}

function invalid(message: string): DriveError {
  return new DriveError('invalidArgument', message);
}
