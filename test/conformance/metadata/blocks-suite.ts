import { describe, expect, it } from 'vitest';
import { holeHash } from '../../../protocol/manifest.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import type { PackId } from '../../../protocol/ids.ts';
import { file, hashOf, openDrive, recordBlocks, unlink } from './drive.ts';
import type { Engine } from './engines.ts';

const manifestOf = (text: string, length = text.length): Manifest => {
  return { profile: 'test', entries: [{ hash: hashOf(text), length }] };
};

/** The block index, and who may name which block. */
export function blocksSuite(engine: Engine): void {
  describe('blocks', () => {
    it('remembers where blocks lie, the first place of each', async () => {
      const { store } = await openDrive(engine);
      const [one, two] = [hashOf('one'), hashOf('two')];
      const pack = await recordBlocks(store, [{ hash: one, length: 3 }]);
      await recordBlocks(store, [
        { hash: one, length: 3 },
        { hash: two, length: 7 },
      ]);
      const found = await store.blockIndex.locate([one, two, hashOf('three'), one]);
      expect([...found.keys()].sort()).toEqual([one, two].sort());
      expect(found.get(one)).toEqual({
        ...{ pack, offset: 0, storedLength: 19, length: 3, encoding: 'raw' },
        packRecord: { pack, byteLength: 1_000, keyId: 'key-1', wrappedKey: Uint8Array.of(1, 2, 3) },
      });
      expect(found.get(two)).toMatchObject({ offset: 100, length: 7 });
      expect((await store.blockIndex.locate([])).size).toBe(0);
    });

    it('tells which master keys the packs need', async () => {
      const { store } = await openDrive(engine);
      const others = await store.blockIndex.keyIds(); // a database may have been used by other tests
      const wrap = (keyId: string) => ({ keyId, byteLength: 1, wrappedKey: Uint8Array.of(1) });
      const ids = ['b', 'a', 'c', 'b'].map((id) => `${id}-${others.size}`);
      for (const [at, keyId] of ids.entries()) {
        const pack = hashOf(`${keyId} ${at}`).slice(0, 32) as PackId;
        await store.blockIndex.record({ pack, ...wrap(keyId) }, new Map());
      }
      expect(await store.blockIndex.keyIds()).toEqual(new Set([...others, ...ids]));
    });

    it('finds ten thousand blocks at once', async () => {
      const { store, caller, namespace } = await openDrive(engine);
      const blocks = Array.from({ length: 10_000 }, (_, at) => ({ hash: hashOf(`block ${at}`), length: 1 }));
      const hashes = blocks.map(({ hash }) => hash);
      await recordBlocks(store, blocks);
      await store.entitlements.recordUploads(caller, hashes);
      await store.entitlements.recordUploads(caller, hashes);
      expect((await store.blockIndex.locate(hashes)).size).toBe(10_000);
      expect((await store.entitlements.nameable(caller, namespace, hashes)).size).toBe(10_000);
    });

    it('lets a commit name only what the caller uploaded or the namespace has', async () => {
      const drive = await openDrive(engine);
      const bob = await drive.invite('Bob', 'write');
      const shared = await drive.upload('shared');
      const late = file(drive.root, 'a', shared);
      await expect(bob.commit(file(bob.root, 'b', shared))).rejects.toMatchObject({ code: 'forbidden' });
      expect(await bob.paths()).toEqual([]);
      expect((await bob.store.entitlements.nameable(bob.caller, bob.namespace, [hashOf('shared')])).size).toBe(0);
      const { cursor } = await drive.commit(late);
      await bob.commit(file(bob.root, 'b', shared));
      await drive.commit(unlink(drive.root, 'a', late.inode, cursor));
      expect((await bob.store.entitlements.nameable(bob.caller, bob.namespace, [hashOf('shared')])).size).toBe(1);
      const own = await drive.store.accounts.createNamespace(bob.caller, 'own');
      expect((await bob.store.entitlements.nameable(bob.caller, own, [hashOf('shared')])).size).toBe(0);
    });

    it('refuses a block the store does not hold, or holds with another length', async () => {
      const drive = await openDrive(engine);
      await expect(drive.commit(file(drive.root, 'a', manifestOf('unknown')))).rejects.toMatchObject({
        code: 'forbidden',
      });
      await drive.upload('known');
      await drive.store.entitlements.recordUploads(drive.caller, [hashOf('nowhere')]);
      for (const wrong of [manifestOf('known', 4), manifestOf('nowhere')]) {
        const committed = drive.commit(file(drive.root, 'a', wrong));
        await expect(committed).rejects.toMatchObject({ code: 'invalidArgument' });
      }
      expect(await drive.paths()).toEqual([]);
      const sparse = { profile: 'test', entries: [{ hash: holeHash, length: 1e12 }, ...manifestOf('known').entries] };
      await drive.commit(file(drive.root, 'a', sparse));
      expect(await drive.tree.resolve(drive.namespace, ['a'])).toMatchObject({ size: 1e12 + 5 });
    });
  });
}
