import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Caller } from '../../../protocol/accounts.ts';
import { cursorZero } from '../../../protocol/ids.ts';
import type { Cursor, InodeId, Version } from '../../../protocol/ids.ts';
import type { CommitResult, Operation } from '../../../protocol/operations.ts';
import { Drive } from './drive.ts';
import { engines } from './engines.ts';
import type { Engine } from './engines.ts';
import { expected, RandomCommit, wish } from './random-commit.ts';
import { lineOf, TreeView } from './tree-view.ts';

/** Two clients take turns; mostly they do not look first and work on what they saw last. */
const turn = fc.record({
  client: fc.nat(1),
  looks: fc.nat(3).map((number) => number === 0),
  wishes: fc.array(wish, { minLength: 1, maxLength: 5 }),
});

describe.each(engines())('the tree on $name against a plain model', (engine) => {
  const numRuns = engine.name === 'Postgres' ? 10 : 100;

  it('keeps every promise of the changefeed, of history and of the conflict rules', { timeout: 240_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 14, size: 'max' }), (turns) => play(engine, turns)),
      { numRuns, interruptAfterTimeLimit: 200_000 },
    );
  });
});

type Turn = typeof turn extends fc.Arbitrary<infer Value> ? Value : never;

async function play(engine: Engine, turns: readonly Turn[]): Promise<void> {
  const opened = await engine.open();
  try {
    const { user, namespace } = await opened.store.accounts.createUser('Ada', 'secret');
    const caller: Caller = { user, userName: 'Ada', device: null };
    const drive = new Drive(opened, caller, namespace);
    await drive.makeFile('a', 'first', await drive.makeFolder('b.txt', await drive.makeFolder('a')));
    await drive.makeFile('ç', 'second');
    const views = [await viewAt(drive), await viewAt(drive)];
    const past = new Map<Cursor, TreeView>();
    let head = await viewAt(drive);
    past.set(await cursorOf(drive), head);
    for (const [at, { client, looks, wishes }] of turns.entries()) {
      const before = head;
      const fresh = looks || views[client] === before;
      const text = `content ${'x'.repeat(at)}`;
      const made = new RandomCommit((fresh ? before : (views[client] ?? before)).copy(), await drive.upload(text));
      for (const wanted of wishes) made.add(wanted);
      const result = await drive.commit(...made.operations);
      head = await viewAt(drive);
      views[client] = head;
      if (fresh) expectAsWished(result, made, head);
      expectNothingLost(before, head, made.operations, result);
      past.set(result.cursor, head);
    }
    await expectHistory(drive, past, head);
  } finally {
    await opened.close();
  }
}

/** A client that knew the head gets exactly what it wanted. */
function expectAsWished(result: CommitResult, made: RandomCommit, head: TreeView): void {
  expect(result.outcomes.filter((outcome) => outcome.type !== 'applied')).toEqual([]);
  expect(result.corrections).toEqual([]);
  for (const [inode, state] of made.view.inodes) {
    if (state.version === expected)
      made.view.inodes.set(inode, { ...state, version: result.cursor as number as Version });
  }
  expect(made.view.dump()).toEqual(head.dump());
}

/** What was there stays unless this commit knowingly took it away, and what came is to be found. */
function expectNothingLost(
  before: TreeView,
  after: TreeView,
  operations: readonly Operation[],
  result: CommitResult,
): void {
  const takenAway = new Set<InodeId>();
  for (const operation of operations) {
    if (operation.type !== 'unlink') continue;
    if (before.inodes.get(operation.inode)?.version === operation.base) takenAway.add(operation.inode);
    if (operation.recursive) for (const { inode } of before.below(operation.inode)) takenAway.add(inode);
  }
  const edited = new Set<InodeId>();
  for (const operation of operations) {
    if (operation.type !== 'content') continue;
    if (before.inodes.get(operation.inode)?.version === operation.base) edited.add(operation.inode);
  }
  for (const [inode, state] of before.inodes) {
    if (state.kind !== 'file' || takenAway.has(inode)) continue;
    expect(after.inodes.get(inode)?.version).toBe(edited.has(inode) ? result.cursor : state.version);
  }
  for (const [at, operation] of operations.entries()) {
    const outcome = result.outcomes[at];
    if (operation.type !== 'content' && !(operation.type === 'create' && operation.kind === 'file')) continue;
    if (outcome === undefined) throw new Error('an operation has no outcome');
    expect(outcome.type).not.toBe('refused');
    const inode = 'inode' in outcome ? outcome.inode : operation.inode;
    expect(after.inodes.get(inode)?.version).toBe(result.cursor);
  }
}

/** From every cursor the feed leads to the head, and every cursor can still be looked at. */
async function expectHistory(drive: Drive, past: ReadonlyMap<Cursor, TreeView>, head: TreeView): Promise<void> {
  for (const [cursor, view] of past) {
    const replica = view.copy();
    replica.apply(await drive.changes(cursor));
    expect(replica.dump()).toEqual(head.dump());
    expect(await listed(drive, cursor)).toEqual(view.dump());
    const before = new TreeView(drive.root);
    before.apply(await drive.changes(cursorZero, cursor));
    expect(before.dump()).toEqual(view.dump());
  }
}

async function viewAt(drive: Drive): Promise<TreeView> {
  const view = new TreeView(drive.root);
  view.apply(await drive.changes(cursorZero));
  view.dump();
  return view;
}

async function cursorOf(drive: Drive): Promise<Cursor> {
  return (await drive.tree.namespace(drive.namespace)).cursor;
}

/** The tree as it is seen by listing folders at a cursor. */
async function listed(drive: Drive, cursor: Cursor, directory = drive.root, prefix = ''): Promise<readonly string[]> {
  const lines: string[] = [];
  const { entries } = await drive.tree.list(drive.namespace, directory, {}, { cursor });
  for (const { name, state } of entries) {
    lines.push(lineOf(prefix + name, state));
    if (state.kind === 'directory') lines.push(...(await listed(drive, cursor, state.inode, `${prefix}${name}/`)));
  }
  return lines.sort();
}
