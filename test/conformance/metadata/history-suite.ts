import { describe, expect, it } from 'vitest';
import type { Cursor, Version } from '../../../protocol/ids.ts';
import { content, move, openDrive, unlink } from './drive.ts';
import type { Drive } from './drive.ts';
import type { Engine } from './engines.ts';

const cursorOf = async (drive: Drive) => (await drive.tree.namespace(drive.namespace)).cursor;

/** Looking back. */
export function historySuite(engine: Engine): void {
  describe('history', () => {
    it('shows the tree as it was', async () => {
      const drive = await openDrive(engine);
      const docs = await drive.makeFolder('docs');
      const { inode, version } = await drive.makeFile('a', 'one', docs);
      const then = { cursor: await cursorOf(drive) };
      await drive.commit(content(inode, version, await drive.upload('three')));
      await drive.commit(move(docs, [drive.root, 'docs'], [drive.root, 'old']));
      await drive.commit(unlink(drive.root, 'old', docs, 0, true));
      expect(await drive.paths()).toEqual([]);
      expect(await drive.paths(then)).toEqual(['docs/', 'docs/a']);
      const state = await drive.tree.resolve(drive.namespace, ['docs', 'a'], then);
      expect(state).toMatchObject({ inode, version, size: 3 });
      expect(await drive.tree.lookup(drive.namespace, { parent: docs, name: 'a' }, then)).toEqual(state);
      expect(await drive.tree.inode(drive.namespace, inode, then)).toEqual(state);
      await expect(drive.tree.inode(drive.namespace, inode)).rejects.toMatchObject({ code: 'notFound' });
      expect(await drive.tree.manifest(drive.namespace, inode, version)).toEqual(await drive.upload('one'));
      const ahead = { cursor: 1_000 as Cursor };
      await expect(drive.tree.resolve(drive.namespace, [], ahead)).rejects.toMatchObject({ code: 'invalidArgument' });
    });

    it('lists the versions that stood at a place, newest first', async () => {
      const drive = await openDrive(engine);
      const first = await drive.makeFile('a', 'one');
      const { cursor: second } = await drive.commit(content(first.inode, first.version, await drive.upload('three')));
      const saved = await drive.makeFile('a.tmp', 'saved');
      await drive.commit(content(saved.inode, saved.version, await drive.upload('saved again')));
      const replaced = await drive.commit(
        unlink(drive.root, 'a', first.inode, second),
        move(saved.inode, [drive.root, 'a.tmp'], [drive.root, 'a']),
      );
      const head = (await drive.tree.inode(drive.namespace, saved.inode)).version;
      await drive.commit(unlink(drive.root, 'a', saved.inode, head));
      await drive.makeFile('other', 'x');
      const versions = await drive.tree.versions(drive.namespace, { parent: drive.root, name: 'a' });
      expect(replaced.cursor).toBeGreaterThan(head);
      const timeMs = drive.opened.clock.nowMs();
      expect(versions).toEqual([
        { inode: saved.inode, version: head, size: 11, author: 'Ada', timeMs },
        { inode: first.inode, version: second, size: 5, author: 'Ada', timeMs },
        { inode: first.inode, version: first.version, size: 3, author: 'Ada', timeMs },
      ]);
      expect(await drive.tree.versions(drive.namespace, { parent: drive.root, name: 'nothing' })).toEqual([]);
    });

    it('knows no version that never was, and takes 0 for empty', async () => {
      const drive = await openDrive(engine);
      const { inode } = await drive.makeFile('a');
      expect((await drive.tree.manifest(drive.namespace, inode, 0 as Version)).entries).toEqual([]);
      const unknown = drive.tree.manifest(drive.namespace, inode, 99 as Version);
      await expect(unknown).rejects.toMatchObject({ code: 'notFound' });
    });
  });
}
