import { describe, expect, it } from 'vitest';
import { cursorZero } from '../../../protocol/ids.ts';
import type { CommitMark, Cursor } from '../../../protocol/ids.ts';
import { attributes, file, newId, openDrive, request, unlink } from './drive.ts';
import type { Engine } from './engines.ts';
import { TreeView } from './tree-view.ts';

/** Of a commit in another history. */
const otherMark = '0'.repeat(32) as CommitMark;

/** The changefeed; `model.test.ts` plays it against random commits. */
export function changefeedSuite(engine: Engine): void {
  describe('changes', () => {
    it('says whose each commit was, and what it did', async () => {
      const drive = await openDrive(engine);
      const { device } = await drive.store.accounts.issueSecret(drive.caller, 'device', 'laptop');
      const manifest = await drive.upload('one');
      const made = file(drive.root, 'a', manifest);
      const wanted = request([made]);
      const tree = drive.store.as({ ...drive.caller, device });
      const { cursor } = await tree.commit(drive.namespace, wanted);
      const state = await tree.inode(drive.namespace, made.inode);
      const [batch, ...more] = await drive.changes((cursor - 1) as Cursor);
      expect(more).toEqual([]);
      const timeMs = drive.opened.clock.nowMs();
      expect(batch).toMatchObject({
        cursor,
        last: true,
        clientCommitId: wanted.clientCommitId,
        author: 'Ada',
        device,
        timeMs,
      });
      expect(batch?.changes).toEqual([
        { type: 'inode', state, manifest },
        { type: 'dentry', parent: drive.root, name: 'a', inode: made.inode },
      ]);
      await drive.commit(unlink(drive.root, 'a', made.inode, state.version));
      const [removal] = await drive.changes(cursor);
      expect(removal?.changes).toEqual([
        { type: 'inodeGone', inode: made.inode },
        { type: 'dentry', parent: drive.root, name: 'a', inode: null },
      ]);
    });

    it('brings whole commits in order, up to the cursor asked for', async () => {
      const drive = await openDrive(engine);
      for (let at = 0; at < 5; at += 1) await drive.makeFile(`f${at}`);
      expect((await drive.changes(2 as Cursor, 4 as Cursor)).map(({ cursor }) => cursor)).toEqual([3, 4]);
      expect(await drive.changes(6 as Cursor)).toEqual([]);
      await expect(drive.changes(7 as Cursor)).rejects.toMatchObject({ code: 'gone' });
      await expect(drive.changes(-1 as Cursor)).rejects.toMatchObject({ code: 'invalidArgument' });
    });

    it('starts with a snapshot that has no author', async () => {
      const drive = await openDrive(engine);
      await drive.makeFile('a', 'one');
      const batches = await drive.changes(cursorZero);
      expect(batches.at(-1)).toMatchObject({ last: true, cursor: 2, clientCommitId: null, author: null, device: null });
      const early = await drive.changes(cursorZero, 1 as Cursor);
      expect(early.flatMap(({ changes }) => changes)).toMatchObject([{ type: 'inode', state: { inode: drive.root } }]);
    });

    it('gives each commit a mark of its own, the same wherever it is told', async () => {
      const drive = await openDrive(engine);
      const wanted = request([file(drive.root, 'a')]);
      const first = await drive.tree.commit(drive.namespace, wanted);
      const unneeded = await drive.commit(unlink(drive.root, 'nothing', newId()));
      expect(unneeded).toMatchObject({ cursor: first.cursor, mark: first.mark });
      const second = await drive.commit(file(drive.root, 'b'));
      expect(second.mark).not.toBe(first.mark);
      expect(await drive.tree.commit(drive.namespace, wanted)).toEqual(first);
      const told = await drive.changes(1 as Cursor);
      expect(told.map(({ mark }) => mark)).toEqual([first.mark, second.mark]);
      const snapshot = await drive.changes(cursorZero, first.cursor);
      expect(new Set(snapshot.map(({ mark }) => mark))).toEqual(new Set([first.mark]));
    });

    it('goes on only for who has read this very history', async () => {
      const drive = await openDrive(engine);
      const { cursor, mark } = await drive.commit(file(drive.root, 'a'));
      await drive.makeFile('b');
      expect(await drive.changes(cursor, undefined, mark)).toHaveLength(1);
      expect(await drive.changes(cursorZero, undefined, otherMark)).not.toEqual([]);
      await expect(drive.changes(cursor, undefined, otherMark)).rejects.toMatchObject({ code: 'gone' });
      await expect(drive.changes(cursor, cursor, otherMark)).rejects.toMatchObject({ code: 'gone' });
    });

    it('keeps a snapshot whole while commits go on', async () => {
      const drive = await openDrive(engine);
      const { inode, version } = await drive.makeFile('a', 'one');
      const before = await drive.paths();
      const view = new TreeView(drive.root);
      let first = true;
      for await (const batch of drive.tree.changes(drive.namespace, cursorZero)) {
        view.apply([batch]);
        if (first) await drive.commit(unlink(drive.root, 'a', inode, version), file(drive.root, 'b'));
        first = false;
      }
      expect([...view.places.values()].map(({ place }) => place.name)).toEqual(before);
      view.apply(await drive.changes(2 as Cursor));
      expect(view.dump()).toHaveLength(1);
    });

    it('sends a large commit in pieces of one cursor', { timeout: 60_000 }, async () => {
      const drive = await openDrive(engine);
      const folder = await drive.makeFolder('many');
      const made = Array.from({ length: 6_000 }, (_, at) => file(folder, `f${at}`));
      const { cursor } = await drive.commit(...made);
      await drive.commit(unlink(drive.root, 'many', folder, 0, true));
      for (const after of [cursor - 1, cursor]) {
        const batches = await drive.changes(after as Cursor, (after + 1) as Cursor);
        expect(batches.length).toBeGreaterThan(1);
        expect(Math.max(...batches.map(({ changes }) => changes.length))).toBeLessThanOrEqual(5_000);
        expect(batches.map(({ last }) => last)).toEqual(batches.map((_, at) => at === batches.length - 1));
        const view = new TreeView(drive.root);
        view.apply(await drive.changes(cursorZero, after as Cursor));
        view.apply(batches);
        expect(view.dump()).toHaveLength(after === cursor ? 0 : 6_001);
      }
    });

    it('leaves long manifests to be asked for, and does not send one again for new attributes', async () => {
      const drive = await openDrive(engine);
      const piece = (await drive.upload('x')).entries;
      const manifest = (count: number) => ({
        profile: 'test',
        entries: Array.from({ length: count }, () => piece).flat(),
      });
      const [short, long] = [file(drive.root, 'short', manifest(32)), file(drive.root, 'long', manifest(33))];
      const { cursor } = await drive.commit(short, long);
      const [batch] = await drive.changes((cursor - 1) as Cursor);
      const manifests = new Map(
        batch?.changes.flatMap((change) =>
          change.type === 'inode' ? [[change.state.inode, change.manifest] as const] : [],
        ),
      );
      expect(manifests.get(short.inode)).toEqual(manifest(32));
      expect(manifests.get(long.inode)).toBeNull();
      expect(await drive.tree.manifest(drive.namespace, long.inode, cursor as never)).toEqual(manifest(33));
      await drive.commit(attributes(long.inode, { mode: 0o600 }));
      expect(await drive.tree.inode(drive.namespace, long.inode)).toMatchObject({ version: cursor, mode: 0o600 });
    });
  });
}
