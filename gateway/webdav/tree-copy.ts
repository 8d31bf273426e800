import { DriveError } from '../../protocol/errors.ts';
import { makeId, versionZero } from '../../protocol/ids.ts';
import type { InodeId } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import { limits } from '../../protocol/limits.ts';
import { manifestHashes } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import { freeBytes } from '../../protocol/spent-memory.ts';
import type { CreateOperation, Operation, Place } from '../../protocol/operations.ts';
import type { Exchange, Target } from './exchange.ts';
import { commitAll } from './tree-commit.ts';
import type { ShownEntry, TreeView } from './tree-view.ts';

/** Blocks asked about and moved at a time between namespaces: at most the bytes of one `put`. */
const blocksPerTransfer = Math.floor(limits.putBlocksBytesMax / limits.blockBytesMax);

/** What is copied: as clients see it (symlinks followed, hidden things left out), or every inode as it is. */
export type CopyMode = 'shown' | 'exact';

/** A copy to be made. */
export interface CopyPlan {
  readonly source: Target;
  readonly state: InodeState;
  /** Whether the members of a collection are copied too. */
  readonly deep: boolean;
  readonly mode: CopyMode;
  readonly destination: TreeView;
  readonly place: Place;
  /** Taken away in the same commit that makes the copy appear. */
  readonly replaced: readonly Operation[];
}

/** Leaves room in a commit for what takes the old destination away. */
const operationsPerCommit = limits.commitOperationsMax - 8;
/** A batch is closed once it holds this many, so one more manifest of any size still fits. */
const manifestEntriesPerCommit = limits.commitManifestEntriesMax - limits.manifestEntriesMax;

/**
 * Copies manifests, so that no byte moves: within a namespace not even a block is looked at. A tree that fits one
 * commit appears at once. A larger one grows under a name of its own beside the destination and is moved there by the last
 * commit, so the destination too is either the old one or the whole new one; if it fails on the way, what grew is removed.
 */
export async function copyTree(exchange: Exchange, plan: CopyPlan): Promise<void> {
  const { destination, place, replaced } = plan;
  const batches = batchOperations(copyOperations(exchange, plan));
  const first = await nextBatch(batches);
  const second = await nextBatch(batches);
  const [root] = first;
  if (root === undefined) throw new DriveError('internal', 'a copy came out empty');
  if (second.length === 0) {
    await commitAll(exchange, destination, [...replaced, ...first]);
    return;
  }
  const { clock, randomness } = exchange.dependencies;
  const growing = { parent: place.parent, name: `.copying-${makeId(clock, randomness)}` };
  await commitAll(exchange, destination, [{ ...root, ...growing }, ...first.slice(1)]);
  try {
    await commitAll(exchange, destination, second);
    for await (const batch of batches) await commitAll(exchange, destination, batch);
    await commitAll(exchange, destination, [
      ...replaced,
      { type: 'move', inode: root.inode, from: growing, to: place },
    ]);
  } catch (error) {
    const { inode } = root;
    await commitAll(exchange, destination, [{ type: 'unlink', ...growing, inode, base: versionZero, recursive: true }]);
    throw error;
  }
}

async function nextBatch(batches: AsyncGenerator<CreateOperation[]>): Promise<readonly CreateOperation[]> {
  const next = await batches.next();
  return next.done === true ? [] : next.value;
}

/** Parents come before their members, so each batch stands on the ones before it. */
async function* batchOperations(operations: AsyncIterable<CreateOperation>): AsyncGenerator<CreateOperation[]> {
  let batch: CreateOperation[] = [];
  let entries = 0;
  for await (const operation of operations) {
    batch.push(operation);
    entries += operation.manifest?.entries.length ?? 0;
    if (batch.length < operationsPerCommit && entries < manifestEntriesPerCommit) continue;
    yield batch;
    batch = [];
    entries = 0;
  }
  if (batch.length > 0) yield batch;
}

/** A directory whose members are to be copied to the new inode `copy`. */
interface PendingDirectory {
  readonly path: readonly string[];
  readonly inode: InodeId;
  readonly copy: InodeId;
}

async function* copyOperations(exchange: Exchange, plan: CopyPlan): AsyncGenerator<CreateOperation> {
  const top = await copyOperation(exchange, plan, plan.state, plan.place);
  yield top;
  const pending: PendingDirectory[] = [];
  const descend = (path: readonly string[], state: InodeState, copy: InodeId) => {
    if (plan.deep && state.kind === 'directory') pending.push({ path, inode: state.inode, copy });
  };
  descend(plan.source.path, plan.state, top.inode);
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for await (const { name, shown } of members(exchange, plan, directory)) {
      const operation = await copyOperation(exchange, plan, shown, { parent: directory.copy, name });
      yield operation;
      descend([...directory.path, name], shown, operation.inode);
    }
  }
}

async function* members(
  exchange: Exchange,
  { source, mode }: CopyPlan,
  { path, inode }: PendingDirectory,
): AsyncGenerator<ShownEntry> {
  const { tree } = source;
  const { listPage } = exchange.limits;
  const pages = mode === 'shown' ? tree.list(path, inode, listPage) : tree.listExact(inode, listPage);
  for await (const page of pages) yield* page;
}

/** The copy has the attributes, the modification time and the dead properties of what it is copied from. */
async function copyOperation(
  exchange: Exchange,
  plan: CopyPlan,
  state: InodeState,
  place: Place,
): Promise<CreateOperation> {
  const { clock, randomness } = exchange.dependencies;
  const { kind, mode, uid, gid, mtimeNs, rdev, target, xattrs } = state;
  const manifest = kind === 'file' ? await copyableManifest(exchange, plan, state) : null;
  return {
    type: 'create',
    ...place,
    inode: makeId(clock, randomness),
    ...{ kind, mode, uid, gid, mtimeNs, rdev, target, xattrs, manifest },
    ctimeNs: clock.nowNs(),
  };
}

/**
 * The manifest of a file, whose blocks the destination's namespace may name. Another namespace must be shown the blocks
 * that it lacks, as a client would: they are read from the source and put, which stores none a second time.
 */
async function copyableManifest(
  exchange: Exchange,
  { source, destination }: CopyPlan,
  state: InodeState,
): Promise<Manifest> {
  const from = source.tree.namespace.id;
  const to = destination.namespace.id;
  const { inode, version } = state;
  const manifest = await source.tree.metadata.manifest(from, inode, version);
  if (from === to) return manifest;
  const hashes = [...manifestHashes(manifest)];
  for (let start = 0; start < hashes.length; start += blocksPerTransfer) {
    const some = hashes.slice(start, start + blocksPerTransfer);
    const present = await exchange.blocks.have(to, some);
    const missing = some.filter((hash) => !present.has(hash));
    if (missing.length === 0) continue;
    const frames = exchange.blocks.get(from, { inode, version, hashes: missing }, exchange.signal);
    await exchange.blocks.put(to, frames, freeBytes);
  }
  return manifest;
}
