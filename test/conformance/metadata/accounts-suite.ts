import { describe, expect, it } from 'vitest';
import { makeId } from '../../../protocol/ids.ts';
import type { DeviceId, NamespaceId } from '../../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { file, openDrive, request } from './drive.ts';
import type { Engine } from './engines.ts';

/** Who is who, and who may do what. */
export function accountsSuite(engine: Engine): void {
  describe('accounts', () => {
    it('makes a user with a namespace of their own', async () => {
      const drive = await openDrive(engine);
      const { accounts } = drive.store;
      expect(await accounts.userCount()).toBe(1);
      await expect(accounts.createUser('Ada', 'x')).rejects.toMatchObject({ code: 'exists' });
      for (const name of ['', ' Ada', 'a:b', 'a/b', 'a\0b', 'x'.repeat(65), '\ud800']) {
        await expect(accounts.createUser(name, 'x')).rejects.toMatchObject({ code: 'invalidArgument' });
      }
      await expect(accounts.createUser('Bob', '')).rejects.toMatchObject({ code: 'invalidArgument' });
      expect(await drive.tree.namespaces()).toMatchObject([{ name: 'Ada', role: 'owner', cursor: 1, usedBytes: 0 }]);
      expect(await drive.tree.resolve(drive.namespace, [])).toMatchObject({ inode: drive.root, kind: 'directory' });
    });

    it('knows a password', async () => {
      const drive = await openDrive(engine);
      const { accounts } = drive.store;
      expect(await accounts.verifyPassword('Ada', 'correct horse')).toEqual(drive.caller);
      for (const [name, password] of [
        ['Ada', 'wrong'],
        ['ada', 'correct horse'],
        ['constructor', 'x'],
        ['a\0', 'x'],
      ] as const) {
        await expect(accounts.verifyPassword(name, password)).rejects.toMatchObject({ code: 'unauthenticated' });
        await expect(accounts.verifyBasic(name, password)).rejects.toMatchObject({ code: 'unauthenticated' });
      }
    });

    it('lets device tokens and app passwords in until they are revoked', async () => {
      const drive = await openDrive(engine);
      const { accounts } = drive.store;
      const token = await accounts.issueSecret(drive.caller, 'device', 'laptop');
      const app = await accounts.issueSecret(drive.caller, 'app', 'Finder');
      expect(await accounts.verifyToken(token.secret)).toEqual({ ...drive.caller, device: token.device });
      expect(await accounts.verifyBasic('Ada', app.secret)).toEqual({ ...drive.caller, device: app.device });
      expect(await accounts.verifyBasic('Ada', 'correct horse')).toEqual(drive.caller);
      await expect(accounts.verifyToken(app.secret)).rejects.toMatchObject({ code: 'unauthenticated' });
      await expect(accounts.verifyBasic('Ada', token.secret)).rejects.toMatchObject({ code: 'unauthenticated' });
      await expect(accounts.verifyBasic('Bob', app.secret)).rejects.toMatchObject({ code: 'unauthenticated' });
      const devices = await accounts.devices(drive.caller);
      expect(devices.map(({ name, kind }) => [name, kind]).sort()).toEqual([
        ['Finder', 'app'],
        ['laptop', 'device'],
      ]);
      const bob = await drive.invite('Bob', null);
      await expect(accounts.revoke(bob.caller, token.device)).rejects.toMatchObject({ code: 'notFound' });
      await accounts.revoke(drive.caller, token.device);
      await accounts.revoke(drive.caller, app.device);
      await expect(accounts.verifyToken(token.secret)).rejects.toMatchObject({ code: 'unauthenticated' });
      await expect(accounts.verifyBasic('Ada', app.secret)).rejects.toMatchObject({ code: 'unauthenticated' });
      const unknown = makeId<DeviceId>(systemClock, systemRandomness);
      await expect(accounts.revoke(drive.caller, unknown)).rejects.toMatchObject({ code: 'notFound' });
    });

    it('tells nothing of a namespace to whom it was not granted', async () => {
      const drive = await openDrive(engine);
      const bob = await drive.invite('Bob', null);
      const { namespace, root, tree } = bob;
      const place = { parent: root, name: 'a' };
      const { leases, entitlements } = bob.store;
      const lock = { path: ['a'], deep: false, exclusive: true, owner: '', durationMs: 1_000 };
      const calls: readonly (() => Promise<unknown>)[] = [
        () => tree.namespace(namespace),
        () => tree.commit(namespace, request([file(root, 'a')])),
        () => bob.changes(drive.root.length as never),
        () => tree.lookup(namespace, place),
        () => tree.resolve(namespace, []),
        () => tree.list(namespace, root, {}),
        () => tree.inode(namespace, root),
        () => tree.manifest(namespace, root, 0 as never),
        () => tree.versions(namespace, place),
        () => leases.acquire(bob.caller, namespace, lock),
        () => leases.refresh(bob.caller, namespace, 'urn:uuid:0', 1_000),
        () => leases.release(bob.caller, namespace, 'urn:uuid:0'),
        () => leases.covering(bob.caller, namespace, ['a'], true),
        () => leases.dropUnder(bob.caller, namespace, ['a']),
        () => entitlements.nameable(bob.caller, namespace, []),
        () => bob.store.accounts.grant(bob.caller, namespace, 'Bob', 'owner'),
        () => tree.namespace('0'.repeat(32) as NamespaceId),
      ];
      for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'notFound' });
      expect(await tree.namespaces()).toMatchObject([{ name: 'Bob' }]);
      expect(await bob.store.accounts.roleOf(bob.caller, namespace)).toBeNull();
    });

    it('lets a reader read and a writer write, and no more', async () => {
      const drive = await openDrive(engine);
      const bob = await drive.invite('Bob', 'read');
      const { accounts, entitlements, leases } = drive.store;
      const lock = { path: ['a'], deep: false, exclusive: true, owner: '', durationMs: 1_000 };
      await drive.makeFile('a');
      expect(await bob.paths()).toEqual(['a']);
      expect(await leases.covering(bob.caller, bob.namespace, ['a'], true)).toEqual([]);
      for (const call of [
        () => bob.commit(file(bob.root, 'b')),
        () => leases.acquire(bob.caller, bob.namespace, lock),
        () => entitlements.nameable(bob.caller, bob.namespace, []),
        () => accounts.grant(bob.caller, bob.namespace, 'Bob', 'owner'),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'forbidden' });
      }
      await accounts.grant(drive.caller, drive.namespace, 'Bob', 'write');
      await bob.commit(file(bob.root, 'b'));
      await expect(accounts.grant(bob.caller, bob.namespace, 'Bob', 'owner')).rejects.toMatchObject({
        code: 'forbidden',
      });
      expect(await bob.tree.namespaces()).toMatchObject([
        { name: 'Bob', role: 'owner' },
        { name: 'Ada', role: 'write' },
      ]);
      await accounts.grant(drive.caller, drive.namespace, 'Bob', null);
      await expect(bob.paths()).rejects.toMatchObject({ code: 'notFound' });
    });

    it('leaves a namespace its owner, and grants to known users only', async () => {
      const drive = await openDrive(engine);
      const { accounts } = drive.store;
      const { namespace, caller } = drive;
      await expect(accounts.grant(caller, namespace, 'Ada', null)).rejects.toMatchObject({ code: 'invalidArgument' });
      await expect(accounts.grant(caller, namespace, 'Nobody', 'read')).rejects.toMatchObject({ code: 'notFound' });
      const shared = await accounts.createNamespace(caller, 'Shared');
      expect(await accounts.roleOf(caller, shared)).toBe('owner');
      await expect(accounts.createNamespace(caller, '')).rejects.toMatchObject({ code: 'invalidArgument' });
    });
  });
}
