import { DriveError } from '../../protocol/errors.ts';
import type { Version } from '../../protocol/ids.ts';
import type { InodeAttributes, InodeState } from '../../protocol/inode-state.ts';
import { limits } from '../../protocol/limits.ts';
import { manifestSize } from '../../protocol/manifest.ts';
import type { AttributesOperation, ContentOperation, Outcome, Place } from '../../protocol/operations.ts';
import { attributesRule, contentRule } from '../conflict-rules.ts';
import { applied, freePlace, usableDirectory } from './work.ts';
import type { Work } from './work.ts';
import { firstPlace } from './working-tree.ts';
import type { Node } from './working-tree.ts';

/** Sets contents, then attributes; every name is given by now. */
export async function setContentsAndAttributes(work: Work): Promise<void> {
  for (const [at, operation] of work.operations.entries()) {
    if (operation.type === 'content') work.outcomes[at] = await setContent(work, operation);
  }
  for (const [at, operation] of work.operations.entries()) {
    if (operation.type === 'attributes') work.outcomes[at] = await setAttributes(work, operation);
  }
}

async function setContent(work: Work, operation: ContentOperation): Promise<Outcome> {
  const node = await work.tree.node(operation.inode);
  const verdict = contentRule({
    known: node !== null,
    alive: node !== null && work.tree.isAlive(node),
    madeHere: node?.madeHere === true,
    head: node?.stored?.version ?? node?.state.version ?? operation.base,
    base: operation.base,
  });
  if (node === null || verdict === 'gone') return { type: 'refused', reason: 'gone' };
  if (node.state.kind !== 'file') throw new DriveError('invalidArgument', `${node.inode} is not a file`);
  if (verdict === 'copy') return copyBeside(work, node, operation);
  node.state = withContent(node.state, operation, work.cursor as number as Version);
  node.content = operation.manifest;
  return verdict === 'restore' ? restore(work, node) : applied;
}

/** The head stays; what was sent becomes a file of its own beside it. */
async function copyBeside(work: Work, node: Node, operation: ContentOperation): Promise<Outcome> {
  const beside = firstPlace(node);
  if (beside === undefined) throw new DriveError('internal', 'a file in use has no name');
  const state = { ...node.state, inode: work.makeInodeId() };
  const copy = work.tree.add(withContent(state, operation, work.cursor as number as Version), operation.manifest);
  const place = await freePlace(work, beside);
  await work.tree.attach(copy, place);
  return { type: 'conflictedCopy', inode: copy.inode, place };
}

/** A removed file comes back where it last stood, and its folders with it. */
async function restore(work: Work, node: Node): Promise<Outcome> {
  const last = await work.tree.lastPlace(node);
  const { directory } = await usableDirectory(work, last?.parent ?? work.tree.root);
  const wanted = { parent: directory, name: last?.name ?? `restored ${node.inode}` };
  const place: Place = (await work.tree.child(wanted)) === null ? wanted : await freePlace(work, wanted);
  await work.tree.attach(node, place);
  return { type: 'restored', inode: node.inode, place };
}

function withContent(state: InodeState, operation: ContentOperation, version: Version): InodeState {
  const { mtimeNs, ctimeNs } = operation;
  return { ...state, size: manifestSize(operation.manifest), version, mtimeNs, ctimeNs };
}

async function setAttributes(work: Work, operation: AttributesOperation): Promise<Outcome> {
  const merged = work.servedBy.get(operation.inode);
  const node = await work.tree.node(operation.inode);
  if (node === null && merged !== undefined) return { type: 'merged', inode: merged };
  const verdict = attributesRule({ alive: node !== null && work.tree.isAlive(node) });
  if (node === null || verdict === 'gone') return { type: 'refused', reason: 'gone' };
  const xattrs = new Map(node.state.xattrs);
  for (const [name, value] of operation.xattrs) {
    if (value === null) xattrs.delete(name);
    else xattrs.set(name, value);
  }
  if (xattrs.size > limits.xattrsPerInodeMax) {
    throw new DriveError('tooLarge', `a file has at most ${limits.xattrsPerInodeMax} extended attributes`);
  }
  node.state = { ...node.state, ...present(operation.set), xattrs };
  return applied;
}

/** Only the five attributes, and only those that are there: `undefined` and foreign keys change nothing. */
function present(set: Partial<InodeAttributes>): Partial<InodeAttributes> {
  return {
    ...(set.mode === undefined ? {} : { mode: set.mode }),
    ...(set.uid === undefined ? {} : { uid: set.uid }),
    ...(set.gid === undefined ? {} : { gid: set.gid }),
    ...(set.mtimeNs === undefined ? {} : { mtimeNs: set.mtimeNs }),
    ...(set.ctimeNs === undefined ? {} : { ctimeNs: set.ctimeNs }),
  };
}
