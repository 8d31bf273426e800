import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rootIno } from '../../mount/replica/local-inode.ts';
import type { Ino } from '../../mount/replica/local-inode.ts';
import { openReplica } from '../../mount/replica/replica.ts';
import type { Replica } from '../../mount/replica/replica.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';
import { PlainTree } from './plain-tree.ts';
import type { PlainNode, PlainPath } from './plain-tree.ts';

const name = fc.constantFrom('a', 'b', 'c', 'ü');
const directory = fc.array(name, { maxLength: 3 });
const place = { directory, name };
const step = fc.oneof(
  fc.record({ type: fc.constant('create' as const), kind: fc.constantFrom('file', 'directory'), ...place }),
  fc.record({ type: fc.constant('link' as const), path: fc.array(name, { minLength: 1, maxLength: 3 }), ...place }),
  fc.record({ type: fc.constant('unlink' as const), ...place }),
  fc.record({ type: fc.constant('rmdir' as const), ...place }),
  fc.record({
    ...{ type: fc.constant('rename' as const), isExchange: fc.boolean(), ...place },
    ...{ to: directory, toName: name },
  }),
  fc.record({ type: fc.constant('chmod' as const), path: directory, mode: fc.integer({ min: 0, max: 0o777 }) }),
  fc.record({ type: fc.constant('resize' as const), path: directory, size: fc.nat(1_000) }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

const nowNs = 1_763_800_000_000_000_001n;

function inoOf(replica: Replica, path: PlainPath): Ino {
  let at = rootIno;
  for (const each of path) {
    const inode = replica.lookup(at, each);
    if (inode === undefined) throw new DriveError('notFound', each);
    at = inode.ino;
  }
  return at;
}

function applyToReplica(replica: Replica, each: Step): void {
  const blank = { mode: 0o644, uid: 0, gid: 0, rdev: 0, target: null };
  if (each.type === 'chmod') {
    if (each.path.length > 0) replica.setAttributes(inoOf(replica, each.path), { mode: each.mode }, nowNs);
    return;
  }
  if (each.type === 'resize') {
    replica.contentChanged(inoOf(replica, each.path), each.size, nowNs);
    return;
  }
  if (each.type === 'link') {
    const ino = inoOf(replica, each.path);
    replica.link(ino, inoOf(replica, each.directory), each.name, nowNs);
    return;
  }
  const parent = inoOf(replica, each.directory);
  if (each.type === 'create') replica.create(parent, each.name, { ...blank, kind: each.kind }, nowNs);
  else if (each.type === 'unlink') replica.unlink(parent, each.name, nowNs);
  else if (each.type === 'rmdir') replica.removeDirectory(parent, each.name, nowNs);
  else {
    const to = { parent: inoOf(replica, each.to), name: each.toName };
    replica.rename({ parent, name: each.name }, to, each.isExchange ? 'exchange' : 'replace', nowNs);
  }
}

function applyToPlain(tree: PlainTree, each: Step): void {
  if (each.type === 'chmod') {
    if (each.path.length > 0) tree.node(each.path).mode = each.mode;
  } else if (each.type === 'resize') {
    const node = tree.node(each.path);
    if (node.kind === 'directory') throw new DriveError('invalidArgument', 'not a file');
    node.size = each.size;
  } else if (each.type === 'create') tree.create(each.directory, each.name, each.kind);
  else if (each.type === 'link') tree.link(each.path, each.directory, each.name);
  else if (each.type === 'unlink') tree.unlink(each.directory, each.name);
  else if (each.type === 'rmdir') tree.removeDirectory(each.directory, each.name);
  else tree.rename(each.directory, each.name, each.to, each.toName, each.isExchange);
}

function outcomeOf(run: () => void): string {
  try {
    run();
    return 'done';
  } catch (error) {
    if (error instanceof DriveError) return error.code;
    throw error;
  }
}

function expectSame(replica: Replica, tree: PlainTree, node: PlainNode, ino: Ino): void {
  const inode = replica.inode(ino);
  const subdirectories = [...node.children.values()].filter((child) => child.kind === 'directory').length;
  expect(inode?.kind).toBe(node.kind);
  expect(inode?.nlink).toBe(node.kind === 'directory' ? 2 + subdirectories : tree.links(node));
  expect(inode?.size).toBe(node.size);
  if (ino !== rootIno) expect(inode?.mode).toBe(node.mode);
  const entries = replica.list(ino, 0, 1_000);
  expect(entries.map((entry) => entry.name).sort()).toEqual([...node.children.keys()].sort());
  for (const entry of entries) {
    const child = node.children.get(entry.name);
    if (child === undefined) throw new Error(`"${entry.name}" is in the replica only`);
    if (entry.inode.kind === 'directory') expect(replica.parentOf(entry.inode.ino)).toBe(ino);
    expectSame(replica, tree, child, entry.inode.ino);
  }
}

test('the replica is the tree that a plain one is, errors included', () => {
  const namespace = 'cd'.repeat(16) as NamespaceId;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const replica = openReplica({ path: ':memory:', namespace, clock: systemClock, randomness: systemRandomness });
      const tree = new PlainTree();
      for (const each of steps) {
        expect(outcomeOf(() => applyToReplica(replica, each))).toBe(outcomeOf(() => applyToPlain(tree, each)));
      }
      expectSame(replica, tree, tree.root, rootIno);
      void replica.close();
    }),
    { numRuns: 150 },
  );
});
