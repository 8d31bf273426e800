import { decodeBlock } from '../../blockstore/codec.ts';
import type { BlockFrame } from '../../protocol/block-service.ts';
import { cursorZero, makeId, rootInodeOf } from '../../protocol/ids.ts';
import type { BlockHash, ClientCommitId, InodeId, Version } from '../../protocol/ids.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { CreateOperation, Operation } from '../../protocol/operations.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';
import type { MeasuredServer } from './measured-server.ts';
import { SeededFrames } from './seeded-stream.ts';
import type { Texture } from './seeded-stream.ts';

/** As the mount drains: requests of 16 MiB of plaintext, three under way. */
const putBytes = 16 * 1024 * 1024;
const putsUnderWay = 3;
/** As the mount hydrates ahead of a sequential reader. */
const getBlocks = 32;
const getsUnderWay = 3;

/** A file that was stored, to be read again. */
export interface StoredFile {
  readonly inode: InodeId;
  readonly version: Version;
  readonly manifest: Manifest;
}

/** Puts a file's blocks as the mount does, then commits it. */
export async function putFile(
  server: MeasuredServer,
  name: string,
  seed: number,
  byteLength: number,
  texture: Texture,
): Promise<StoredFile> {
  const source = new SeededFrames(seed, byteLength, texture);
  const frames = source.frames();
  await Promise.all(
    Array.from({ length: putsUnderWay }, async () => {
      for (let group = await nextGroup(frames); group.length > 0; group = await nextGroup(frames)) {
        await server.drive.put(server.namespace, eachOf(group));
      }
    }),
  );
  const operation = createFile(server, name, source.manifest);
  const { cursor } = await commit(server, [operation]);
  return { inode: operation.inode, version: cursor as number as Version, manifest: source.manifest };
}

async function nextGroup(frames: AsyncGenerator<BlockFrame>): Promise<BlockFrame[]> {
  const group: BlockFrame[] = [];
  for (let bytes = 0; bytes < putBytes;) {
    const next = await frames.next();
    if (next.done === true) break;
    group.push(next.value);
    bytes += next.value.length;
  }
  return group;
}

async function* eachOf(frames: readonly BlockFrame[]): AsyncGenerator<BlockFrame> {
  yield* frames;
}

/** Gets all blocks of a file as the mount does, and verifies each. */
export async function getFile(server: MeasuredServer, { inode, version, manifest }: StoredFile): Promise<void> {
  const windows: BlockHash[][] = [];
  for (let at = 0; at < manifest.entries.length; at += getBlocks) {
    windows.push(manifest.entries.slice(at, at + getBlocks).map(({ hash }) => hash));
  }
  let next = 0;
  await Promise.all(
    Array.from({ length: getsUnderWay }, async () => {
      for (let hashes = windows[next++]; hashes !== undefined; hashes = windows[next++]) {
        for await (const frame of server.drive.get(server.namespace, { inode, version, hashes })) decodeBlock(frame);
      }
    }),
  );
}

/** One commit for each of `count` new empty files. */
export async function commitFiles(server: MeasuredServer, count: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let at = next++; at < count; at = next++) {
        await commit(server, [createFile(server, `single ${at}`, null)]);
      }
    }),
  );
}

/** Reads the whole namespace as a new mount does. Returns how many changes came. */
export async function readSnapshot(server: MeasuredServer): Promise<number> {
  let count = 0;
  for await (const batch of server.drive.changes(server.namespace, cursorZero)) count += batch.changes.length;
  return count;
}

async function commit(server: MeasuredServer, operations: readonly Operation[]) {
  const clientCommitId = makeId<ClientCommitId>(systemClock, systemRandomness);
  return server.drive.commit(server.namespace, { clientCommitId, operations, onConflict: 'resolve' });
}

function createFile(server: MeasuredServer, name: string, manifest: Manifest | null): CreateOperation {
  const nowNs = systemClock.nowNs();
  return {
    type: 'create',
    parent: rootInodeOf(server.namespace),
    name,
    inode: makeId<InodeId>(systemClock, systemRandomness),
    kind: 'file',
    mode: 0o644,
    uid: null,
    gid: null,
    mtimeNs: nowNs,
    ctimeNs: nowNs,
    rdev: 0,
    target: null,
    manifest,
    xattrs: new Map(),
  };
}
