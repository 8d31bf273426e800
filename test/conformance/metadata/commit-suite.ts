import { describe, expect, it } from 'vitest';
import type { CommitMark, Cursor, InodeId } from '../../../protocol/ids.ts';
import type { CreateOperation, Operation } from '../../../protocol/operations.ts';
import { attributes, content, file, folder, move, newId, openDrive, request, unlink } from './drive.ts';
import type { Engine } from './engines.ts';

/** What a commit without conflicts does. */
export function commitSuite(engine: Engine): void {
  describe('commit', () => {
    it('keeps every attribute exactly', async () => {
      const drive = await openDrive(engine);
      const xattrs = new Map([
        ['user.colour', Uint8Array.of(0, 255, 10)],
        ['user.ü', new Uint8Array()],
      ]);
      const times = { mtimeNs: -1_234_567_890_123_456_789n, ctimeNs: 9_007_199_254_740_993n };
      const made: CreateOperation = {
        ...file(drive.root, 'a'),
        mode: 0o7777,
        uid: 4294967294,
        gid: 0,
        ...times,
        xattrs,
      };
      const link: CreateOperation = { ...file(drive.root, 'l'), kind: 'symlink', target: '../ünï/\u{1f600}' };
      const device: CreateOperation = { ...file(drive.root, 'd'), kind: 'characterDevice', rdev: 1281 };
      const { cursor } = await drive.commit(made, link, device);
      expect(await drive.tree.resolve(drive.namespace, ['a'])).toEqual({
        ...{ inode: made.inode, kind: 'file', mode: 0o7777, uid: 4294967294, gid: 0, ...times, size: 0, rdev: 0 },
        ...{ version: cursor, target: null, xattrs },
      });
      expect(await drive.tree.resolve(drive.namespace, ['l'])).toMatchObject({ target: link.target, version: 0 });
      expect(await drive.tree.resolve(drive.namespace, ['d'])).toMatchObject({ rdev: 1281 });
      await drive.commit({ ...attributes(made.inode, {}), xattrs: new Map([['user.colour', null]]) });
      const { xattrs: left } = await drive.tree.inode(drive.namespace, made.inode);
      expect([...left.keys()]).toEqual(['user.ü']);
    });

    it('answers a repeated commit with the first result', async () => {
      const drive = await openDrive(engine);
      const existing = await drive.makeFolder('docs');
      const xattrs = new Map([['user.x', Uint8Array.of(7)]]);
      await drive.commit({ ...attributes(existing, { mtimeNs: 123_456_789_012_345_678n }), xattrs });
      const wanted = request([folder(drive.root, 'docs'), file(drive.root, 'a', await drive.upload('one'))]);
      const first = await drive.tree.commit(drive.namespace, wanted);
      await drive.makeFile('later');
      expect(await drive.tree.commit(drive.namespace, wanted)).toEqual(first);
      expect(first.corrections).not.toEqual([]);
      expect(await drive.paths()).toEqual(['a', 'docs/', 'later']);
    });

    it('takes no commit from who has read another history, and answers one that was made already', async () => {
      const drive = await openDrive(engine);
      const { cursor, mark } = await drive.commit(file(drive.root, 'a'));
      if (mark === undefined) throw new Error('the commit has no mark');
      const wanted = { ...request([file(drive.root, 'b')]), after: { cursor, mark } };
      const otherMark = '0'.repeat(32) as CommitMark;
      const stranger = { ...request([file(drive.root, 'c')]), after: { cursor, mark: otherMark } };
      await expect(drive.tree.commit(drive.namespace, stranger)).rejects.toMatchObject({ code: 'gone' });
      const ahead = { ...stranger, after: { cursor: (cursor + 1) as Cursor, mark } };
      await expect(drive.tree.commit(drive.namespace, ahead)).rejects.toMatchObject({ code: 'gone' });
      const made = await drive.tree.commit(drive.namespace, wanted);
      expect(await drive.tree.commit(drive.namespace, { ...stranger, ...wanted, after: stranger.after })).toEqual(made);
      expect(await drive.paths()).toEqual(['a', 'b']);
    });

    it('lets many commit at once, each exactly once', async () => {
      const drive = await openDrive(engine);
      const wanted = Array.from({ length: 12 }, (_, at) => request([file(drive.root, `f${at % 6}`)]));
      const twice = [...wanted, ...wanted];
      const results = await Promise.all(twice.map((one) => drive.tree.commit(drive.namespace, one)));
      expect(new Set(results.map(({ cursor }) => cursor)).size).toBe(12);
      for (const at of wanted.keys()) expect(results[at + 12]).toEqual(results[at]);
      expect(await drive.paths()).toHaveLength(12);
    });

    it('swaps two names, and moves a folder into a new one, in one commit', async () => {
      const drive = await openDrive(engine);
      const a = await drive.makeFile('a', 'one');
      const b = await drive.makeFile('b', 'two');
      const docs = await drive.makeFolder('docs');
      const outer = folder(drive.root, 'outer');
      const { outcomes } = await drive.commit(
        move(docs, [drive.root, 'docs'], [outer.inode, 'docs']),
        move(a.inode, [drive.root, 'a'], [drive.root, 'b']),
        move(b.inode, [drive.root, 'b'], [drive.root, 'a']),
        outer,
        folder(docs, 'new'),
      );
      expect(outcomes.every(({ type }) => type === 'applied')).toBe(true);
      expect(await drive.paths()).toEqual(['a', 'b', 'outer/', 'outer/docs/', 'outer/docs/new/']);
      expect((await drive.tree.resolve(drive.namespace, ['a'])).inode).toBe(b.inode);
    });

    it('turns a folder and its child inside out', async () => {
      const drive = await openDrive(engine);
      const a = await drive.makeFolder('a');
      const b = await drive.makeFolder('b', a);
      const { outcomes } = await drive.commit(
        move(a, [drive.root, 'a'], [b, 'a']),
        move(b, [a, 'b'], [drive.root, 'b']),
      );
      expect(outcomes).toEqual([{ type: 'applied' }, { type: 'applied' }]);
      expect(await drive.paths()).toEqual(['b/', 'b/a/']);
    });

    it('keeps a file until its last name goes', async () => {
      const drive = await openDrive(engine);
      const { inode, version } = await drive.makeFile('a', 'one');
      await drive.commit({ type: 'link', inode, parent: drive.root, name: 'b' });
      await drive.commit(unlink(drive.root, 'a', inode, version));
      expect(await drive.paths()).toEqual(['b']);
      await drive.commit(unlink(drive.root, 'b', inode, version));
      await expect(drive.tree.inode(drive.namespace, inode)).rejects.toMatchObject({ code: 'notFound' });
    });

    it('removes a folder with all below it, less what the commit takes out', async () => {
      const drive = await openDrive(engine);
      const outer = await drive.makeFolder('outer');
      const inner = await drive.makeFolder('inner', outer);
      const kept = await drive.makeFile('kept', 'one', inner);
      await drive.makeFile('gone', 'two', inner);
      await drive.commit(
        unlink(drive.root, 'outer', outer, 0, true),
        move(kept.inode, [inner, 'kept'], [drive.root, 'kept']),
      );
      expect(await drive.paths()).toEqual(['kept']);
      await expect(drive.tree.inode(drive.namespace, inner)).rejects.toMatchObject({ code: 'notFound' });
    });

    it('counts the bytes of heads once, whatever their names', async () => {
      const drive = await openDrive(engine);
      const used = async () => (await drive.tree.namespace(drive.namespace)).usedBytes;
      const { inode, version } = await drive.makeFile('a', '12345');
      const { cursor } = await drive.commit(content(inode, version, await drive.upload('123')));
      expect(await used()).toBe(3);
      await drive.commit({ type: 'link', inode, parent: drive.root, name: 'b' });
      expect(await used()).toBe(3);
      await drive.commit(unlink(drive.root, 'a', inode, cursor), unlink(drive.root, 'b', inode, cursor));
      expect(await used()).toBe(0);
    });

    it('does not advance when nothing changes', async () => {
      const drive = await openDrive(engine);
      const { inode } = await drive.makeFile('a');
      const { cursor, mode } = {
        ...(await drive.tree.namespace(drive.namespace)),
        ...(await drive.tree.inode(drive.namespace, inode)),
      };
      expect((await drive.commit(attributes(inode, { mode }))).cursor).toBe(cursor);
      expect((await drive.commit()).cursor).toBe(cursor);
    });

    it('tells subscribers of this and of other gateways', async () => {
      const drive = await openDrive(engine);
      const gateways = engine.name === 'Postgres' ? [drive.store, await drive.opened.again()] : [drive.store];
      const heard = gateways.map(
        (gateway) => new Promise((resolve) => gateway.notifications.subscribe((notification) => resolve(notification))),
      );
      const { cursor } = await drive.commit(file(drive.root, 'a'));
      for (const one of heard) expect(await one).toEqual({ namespace: drive.namespace, cursor });
    });

    it('refuses malformed commits and changes nothing', async () => {
      const drive = await openDrive(engine);
      const { inode } = await drive.makeFile('a');
      const f = () => file(drive.root, 'b');
      const same = f();
      const [x, y] = [folder(drive.root, 'x'), folder(drive.root, 'y')];
      const wrong: readonly (readonly [readonly Operation[], string])[] = [
        [[{ ...f(), name: '..' }], 'invalidName'],
        [[{ ...f(), name: 'a/b' }], 'invalidName'],
        [[{ ...f(), name: 'x'.repeat(256) }], 'nameTooLong'],
        [[{ ...f(), inode: 'short' as InodeId }], 'invalidArgument'],
        [[{ ...f(), parent: newId<InodeId>() }], 'invalidArgument'],
        [[{ ...f(), inode }], 'invalidArgument'],
        [[{ ...f(), parent: inode }], 'notDirectory'],
        [[{ ...f(), mode: 0o10000 }], 'invalidArgument'],
        [[{ ...f(), mtimeNs: 2n ** 64n }], 'invalidArgument'],
        [[{ ...f(), target: 'x' }], 'invalidArgument'],
        [[{ ...f(), manifest: { profile: 'x', entries: [{ hash: 'zz' as never, length: 1 }] } }], 'invalidArgument'],
        [[f(), f()], 'invalidArgument'],
        [[same, { ...same, name: 'c' }], 'invalidArgument'],
        [
          [
            { ...x, parent: y.inode },
            { ...y, parent: x.inode },
          ],
          'invalidArgument',
        ],
        [[move(drive.root, [drive.root, 'a'], [drive.root, 'b'])], 'invalidArgument'],
        [[content(drive.root, 0, { profile: '', entries: [] })], 'invalidArgument'],
        [[{ type: 'link', inode: drive.root, parent: drive.root, name: 'b' }], 'isDirectory'],
        [Array.from({ length: 10_001 }, (_, at) => file(drive.root, `n${at}`)), 'tooLarge'],
      ];
      const { cursor } = await drive.tree.namespace(drive.namespace);
      for (const [operations, code] of wrong) {
        await expect(drive.commit(file(drive.root, 'innocent'), ...operations)).rejects.toMatchObject({ code });
      }
      expect(await drive.paths()).toEqual(['a']);
      expect((await drive.tree.namespace(drive.namespace)).cursor).toBe(cursor);
    });

    it('costs the same number of statements for ten operations as for a thousand', async () => {
      let statements = 0;
      const drive = await openDrive(engine, { onStatement: () => (statements += 1) });
      const cost = async (...operations: readonly Operation[]) => {
        statements = 0;
        await drive.commit(...operations);
        return statements;
      };
      const costs: number[][] = [];
      for (const count of [10, 1_000]) {
        const outer = await drive.makeFolder(`outer ${count}`);
        const shared = await drive.upload('shared');
        const made = Array.from({ length: count }, (_, at) => file(outer, `f${at}`, shared));
        const moved = made.map(({ inode, name }) => move(inode, [outer, name], [drive.root, `${count} ${name}`]));
        const created = await cost(...made);
        const { cursor } = await drive.tree.namespace(drive.namespace);
        const removed = made.map(({ inode, name }) => unlink(drive.root, `${count} ${name}`, inode, cursor));
        costs.push([created, await cost(...moved), await cost(...removed)]);
      }
      expect(costs[1]).toEqual(costs[0]);
      expect(Math.max(...(costs[1] ?? []))).toBeLessThan(25);
    });
  });
}
