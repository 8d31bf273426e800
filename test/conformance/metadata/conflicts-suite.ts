import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../../protocol/operations.ts';
import { attributes, content, file, folder, move, newId, openDrive, request, unlink } from './drive.ts';
import type { Engine } from './engines.ts';
import type { InodeId } from '../../../protocol/ids.ts';

const copyOf = (stem: string, author = 'Ada', more = '') => `${stem} (${author}'s conflicted copy 2026-11-22${more})`;
const applied: Outcome = { type: 'applied' };

/** The conflict rules of DESIGN §3, each met by two commits of which the second does not know of the first. */
export function conflictsSuite(engine: Engine): void {
  describe('conflicts', () => {
    it('keeps the head and puts late content beside it', async () => {
      const drive = await openDrive(engine);
      const bob = await drive.invite('Bob', 'write');
      const { inode, version } = await drive.makeFile('report.txt', 'one');
      const two = await drive.upload('two');
      await drive.commit(content(inode, version, two));
      const three = await bob.upload('three');
      const result = await bob.commit(content(inode, version, three));
      const name = `${copyOf('report', 'Bob')}.txt`;
      const [outcome] = result.outcomes;
      expect(outcome).toMatchObject({ type: 'conflictedCopy', place: { parent: drive.root, name } });
      expect(await drive.paths()).toEqual([name, 'report.txt']);
      const copy = await drive.tree.resolve(drive.namespace, [name]);
      expect(outcome).toHaveProperty('inode', copy.inode);
      expect(await drive.tree.manifest(drive.namespace, copy.inode, copy.version)).toEqual(three);
      const head = await drive.tree.inode(drive.namespace, inode);
      expect(await drive.tree.manifest(drive.namespace, inode, head.version)).toEqual(two);
      expect(result.corrections).toContainEqual({ type: 'inode', state: head, manifest: two });
      expect(result.corrections).toContainEqual({ type: 'inode', state: copy, manifest: three });
      expect(result.corrections).toContainEqual({ type: 'dentry', parent: drive.root, name, inode: copy.inode });
    });

    it('counts conflicted copies of one day', async () => {
      const drive = await openDrive(engine);
      await drive.makeFile('a.txt', 'one');
      for (const text of ['two', 'three']) await drive.commit(file(drive.root, 'a.txt', await drive.upload(text)));
      expect(await drive.paths()).toEqual([`${copyOf('a', 'Ada', ' 2')}.txt`, `${copyOf('a')}.txt`, 'a.txt']);
    });

    it('finds a name for a conflicted copy however long the names are', async () => {
      const drive = await openDrive(engine);
      const long = await drive.invite('\u{1f600}'.repeat(64), 'write');
      const name = 'x'.repeat(255);
      await drive.makeFile(name);
      for (let copies = 1; copies <= 2; copies += 1) await long.commit(file(drive.root, name));
      const names = await drive.paths();
      expect(new Set(names).size).toBe(3);
      for (const each of names) expect(Buffer.byteLength(each)).toBeLessThanOrEqual(255);
    });

    it('puts a new file beside one that took its name, and keeps its inode', async () => {
      const drive = await openDrive(engine);
      await drive.makeFile('a', 'one');
      const late = file(drive.root, 'a', await drive.upload('two'));
      const { outcomes } = await drive.commit(late);
      const place = { parent: drive.root, name: copyOf('a') };
      expect(outcomes).toEqual([{ type: 'conflictedCopy', inode: late.inode, place }]);
      expect((await drive.tree.lookup(drive.namespace, place)).inode).toBe(late.inode);
    });

    it('merges a new folder into the one of its name, deep down too', async () => {
      const drive = await openDrive(engine);
      const docs = await drive.makeFolder('docs');
      const old = await drive.makeFolder('old', docs);
      await drive.makeFile('x', '', old);
      const late = folder(drive.root, 'docs');
      const lateOld = folder(late.inode, 'old');
      const inner = file(lateOld.inode, 'x', await drive.upload('mine'));
      const other = file(lateOld.inode, 'y');
      const { outcomes, corrections } = await drive.commit(
        other,
        inner,
        lateOld,
        late,
        attributes(late.inode, { mode: 0o700 }),
      );
      expect(outcomes[0]).toEqual(applied);
      expect(outcomes[1]).toMatchObject({ type: 'conflictedCopy', place: { parent: old, name: copyOf('x') } });
      expect(outcomes.slice(2)).toEqual([
        { type: 'merged', inode: old },
        { type: 'merged', inode: docs },
        { type: 'merged', inode: docs },
      ]);
      expect(await drive.paths()).toEqual([
        'docs/',
        'docs/old/',
        'docs/old/x',
        `docs/old/${copyOf('x')}`,
        'docs/old/y',
      ]);
      expect(corrections).toContainEqual({ type: 'inodeGone', inode: late.inode });
      expect(corrections).toContainEqual({ type: 'dentry', parent: drive.root, name: 'docs', inode: docs });
    });

    it('does not merge a folder into a file', async () => {
      const drive = await openDrive(engine);
      await drive.makeFile('docs');
      const late = folder(drive.root, 'docs');
      await drive.commit(late, file(late.inode, 'x'));
      expect(await drive.paths()).toEqual(['docs', `${copyOf('docs')}/`, `${copyOf('docs')}/x`]);
    });

    it('refuses to delete a file whose content moved on', async () => {
      const drive = await openDrive(engine);
      const { inode, version } = await drive.makeFile('a', 'one');
      await drive.commit(content(inode, version, await drive.upload('two')));
      const { outcomes, corrections, cursor } = await drive.commit(unlink(drive.root, 'a', inode, version));
      expect(outcomes).toEqual([{ type: 'refused', reason: 'editWins' }]);
      expect(corrections).toContainEqual({ type: 'dentry', parent: drive.root, name: 'a', inode });
      expect((await drive.tree.namespace(drive.namespace)).cursor).toBe(cursor);
      expect(await drive.paths()).toEqual(['a']);
    });

    it('refuses to delete a folder with entries its remover had not seen, and all above it', async () => {
      const drive = await openDrive(engine);
      const outer = await drive.makeFolder('outer');
      const inner = await drive.makeFolder('inner', outer);
      const seen = await drive.makeFile('seen', '', inner);
      await drive.makeFile('unseen', '', inner);
      const { outcomes } = await drive.commit(
        unlink(drive.root, 'outer', outer),
        unlink(outer, 'inner', inner),
        unlink(inner, 'seen', seen.inode, seen.version),
      );
      const refused: Outcome = { type: 'refused', reason: 'editWins' };
      expect(outcomes).toEqual([refused, refused, applied]);
      expect(await drive.paths()).toEqual(['outer/', 'outer/inner/', 'outer/inner/unseen']);
    });

    it('brings a deleted file back for its new content, with its folders', async () => {
      const drive = await openDrive(engine);
      const outer = await drive.makeFolder('outer');
      const inner = await drive.makeFolder('inner', outer);
      const { inode, version } = await drive.makeFile('a', 'one', inner);
      await drive.commit(unlink(drive.root, 'outer', outer, 0, true));
      expect(await drive.paths()).toEqual([]);
      const two = await drive.upload('two');
      const { outcomes, corrections } = await drive.commit(content(inode, version, two));
      expect(outcomes).toEqual([{ type: 'restored', inode, place: { parent: inner, name: 'a' } }]);
      expect(await drive.paths()).toEqual(['outer/', 'outer/inner/', 'outer/inner/a']);
      const state = await drive.tree.inode(drive.namespace, inode);
      expect(corrections).toContainEqual({ type: 'inode', state, manifest: two });
      expect(corrections).toContainEqual({ type: 'dentry', parent: drive.root, name: 'outer', inode: outer });
      expect(corrections).toContainEqual({ type: 'dentry', parent: outer, name: 'inner', inode: inner });
    });

    it('brings a deleted file back beside one that took its name', async () => {
      const drive = await openDrive(engine);
      const { inode, version } = await drive.makeFile('a', 'one');
      await drive.commit(unlink(drive.root, 'a', inode, version));
      await drive.makeFile('a', 'other');
      const { outcomes } = await drive.commit(content(inode, version, await drive.upload('two')));
      expect(outcomes).toEqual([{ type: 'restored', inode, place: { parent: drive.root, name: copyOf('a') } }]);
    });

    it('restores a removed folder for what is put into it', async () => {
      const drive = await openDrive(engine);
      const outer = await drive.makeFolder('outer');
      const mine = await drive.makeFile('mine');
      await drive.commit(unlink(drive.root, 'outer', outer));
      const late = file(outer, 'late');
      const { outcomes } = await drive.commit(late, move(mine.inode, [drive.root, 'mine'], [outer, 'mine']));
      expect(outcomes[0]).toEqual({ type: 'restored', inode: late.inode, place: { parent: outer, name: 'late' } });
      expect(await drive.paths()).toEqual(['outer/', 'outer/late', 'outer/mine']);
    });

    it('puts what was for a removed folder into the one that took its name', async () => {
      const drive = await openDrive(engine);
      const gone = await drive.makeFolder('docs');
      await drive.commit(unlink(drive.root, 'docs', gone));
      const docs = await drive.makeFolder('docs');
      const [late, later] = [file(gone, 'late'), file(gone, 'later')];
      const { outcomes, corrections } = await drive.commit(late, later);
      expect(outcomes).toEqual([
        { type: 'restored', inode: late.inode, place: { parent: docs, name: 'late' } },
        { type: 'restored', inode: later.inode, place: { parent: docs, name: 'later' } },
      ]);
      expect(corrections).toContainEqual({ type: 'inodeGone', inode: gone });
      expect(await drive.paths()).toEqual(['docs/', 'docs/late', 'docs/later']);
    });

    it('keeps a folder that is to go when a restored file needs it', async () => {
      const drive = await openDrive(engine);
      const docs = await drive.makeFolder('docs');
      const { inode, version } = await drive.makeFile('a', 'one', docs);
      await drive.commit(unlink(docs, 'a', inode, version));
      const two = await drive.upload('two');
      const { outcomes } = await drive.commit(unlink(drive.root, 'docs', docs), content(inode, version, two));
      expect(outcomes[0]).toEqual({ type: 'refused', reason: 'editWins' });
      expect(await drive.paths()).toEqual(['docs/', 'docs/a']);
    });

    it('lets the first of two renames win', async () => {
      const drive = await openDrive(engine);
      const { inode } = await drive.makeFile('a');
      await drive.commit(move(inode, [drive.root, 'a'], [drive.root, 'b']));
      const late = await drive.commit(move(inode, [drive.root, 'a'], [drive.root, 'c']));
      expect(late.outcomes).toEqual([{ type: 'refused', reason: 'movedElsewhere' }]);
      expect(late.corrections).toContainEqual({ type: 'dentry', parent: drive.root, name: 'b', inode });
      expect(late.corrections).toContainEqual({ type: 'dentry', parent: drive.root, name: 'c', inode: null });
      const same = await drive.commit(move(inode, [drive.root, 'a'], [drive.root, 'b']));
      expect(same.outcomes).toEqual([applied]);
      expect(same.cursor).toBe(late.cursor);
    });

    it('refuses a rename of what was removed, and attributes of it', async () => {
      const drive = await openDrive(engine);
      const { inode, version } = await drive.makeFile('a');
      await drive.commit(unlink(drive.root, 'a', inode, version));
      const { outcomes, corrections } = await drive.commit(
        move(inode, [drive.root, 'a'], [drive.root, 'b']),
        attributes(inode, { mode: 0o600 }),
      );
      expect(outcomes).toEqual([
        { type: 'refused', reason: 'gone' },
        { type: 'refused', reason: 'gone' },
      ]);
      expect(corrections).toContainEqual({ type: 'inodeGone', inode });
    });

    it('takes a second removal of the same name for done', async () => {
      const drive = await openDrive(engine);
      const { inode, version } = await drive.makeFile('a');
      const first = await drive.commit(unlink(drive.root, 'a', inode, version));
      const second = await drive.commit(unlink(drive.root, 'a', inode, version));
      expect(second).toEqual({ cursor: first.cursor, mark: first.mark, outcomes: [applied], corrections: [] });
    });

    it('does not remove what was moved elsewhere or another file of the name', async () => {
      const drive = await openDrive(engine);
      const { inode, version } = await drive.makeFile('a');
      await drive.commit(move(inode, [drive.root, 'a'], [drive.root, 'b']));
      const refused: Outcome = { type: 'refused', reason: 'movedElsewhere' };
      expect((await drive.commit(unlink(drive.root, 'a', inode, version))).outcomes).toEqual([refused]);
      await drive.makeFile('a');
      expect((await drive.commit(unlink(drive.root, 'a', inode, version))).outcomes).toEqual([refused]);
      expect(await drive.paths()).toEqual(['a', 'b']);
    });

    it('puts a moved file beside what took its new name', async () => {
      const drive = await openDrive(engine);
      const { inode } = await drive.makeFile('a');
      await drive.makeFile('b');
      const { outcomes } = await drive.commit(move(inode, [drive.root, 'a'], [drive.root, 'b']));
      const place = { parent: drive.root, name: copyOf('b') };
      expect(outcomes).toEqual([{ type: 'conflictedCopy', inode, place }]);
      expect(await drive.paths()).toEqual(['b', copyOf('b')]);
    });

    it('keeps an edited file when it was to be replaced', async () => {
      const drive = await openDrive(engine);
      const target = await drive.makeFile('a', 'one');
      const saved = await drive.makeFile('a.tmp', 'mine');
      await drive.commit(content(target.inode, target.version, await drive.upload('theirs')));
      const { outcomes } = await drive.commit(
        unlink(drive.root, 'a', target.inode, target.version),
        move(saved.inode, [drive.root, 'a.tmp'], [drive.root, 'a']),
      );
      expect(outcomes[0]).toEqual({ type: 'refused', reason: 'editWins' });
      expect(outcomes[1]).toMatchObject({ type: 'conflictedCopy', inode: saved.inode });
      expect(await drive.paths()).toEqual(['a', copyOf('a')]);
    });

    it('refuses a move below itself, also where two moves of one commit would make the circle', async () => {
      const drive = await openDrive(engine);
      const a = await drive.makeFolder('a');
      const b = await drive.makeFolder('b');
      const both = await drive.commit(move(a, [drive.root, 'a'], [b, 'a']), move(b, [drive.root, 'b'], [a, 'b']));
      expect(both.outcomes).toEqual([applied, { type: 'refused', reason: 'cycle' }]);
      expect(await drive.paths()).toEqual(['b/', 'b/a/']);
      const late = await drive.commit(move(b, [drive.root, 'b'], [a, 'b']));
      expect(late.outcomes).toEqual([{ type: 'refused', reason: 'cycle' }]);
      expect(late.corrections).toContainEqual({ type: 'dentry', parent: drive.root, name: 'b', inode: b });
      expect(await drive.paths()).toEqual(['b/', 'b/a/']);
    });

    it('lets attributes of two writers both stand, the last of each', async () => {
      const drive = await openDrive(engine);
      const { inode } = await drive.makeFile('a');
      await drive.commit(attributes(inode, { mode: 0o600 }));
      await drive.commit(attributes(inode, { uid: 7, mtimeNs: 9n }));
      expect(await drive.tree.inode(drive.namespace, inode)).toMatchObject({ mode: 0o600, uid: 7, mtimeNs: 9n });
    });

    it('says that content for a file history does not know came to nothing', async () => {
      const drive = await openDrive(engine);
      const { outcomes } = await drive.commit(content(newId<InodeId>(), 3, await drive.upload('x')));
      expect(outcomes).toEqual([{ type: 'refused', reason: 'gone' }]);
    });

    it('changes nothing where refusal is asked for', async () => {
      const drive = await openDrive(engine);
      const { inode, version } = await drive.makeFile('a', 'one');
      await drive.commit(content(inode, version, await drive.upload('two')));
      const { cursor } = await drive.tree.namespace(drive.namespace);
      const late = content(inode, version, await drive.upload('three'));
      for (const operations of [
        [file(drive.root, 'b'), late],
        [file(drive.root, 'a')],
        [unlink(drive.root, 'a', inode, version)],
      ]) {
        const refused = drive.tree.commit(drive.namespace, request(operations, 'refuse'));
        await expect(refused).rejects.toMatchObject({ code: 'conflict' });
      }
      expect(await drive.paths()).toEqual(['a']);
      expect((await drive.tree.namespace(drive.namespace)).cursor).toBe(cursor);
    });
  });
}
