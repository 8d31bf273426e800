import { describe, expect, it } from 'vitest';
import type { Lease, LeaseRequest } from '../../../protocol/leases.ts';
import { openDrive } from './drive.ts';
import type { Engine } from './engines.ts';

const minute = 60_000;
const lock = (path: readonly string[], more: Partial<LeaseRequest> = {}): LeaseRequest => {
  return { path, deep: false, exclusive: true, owner: '<D:href>me</D:href>', durationMs: minute, ...more };
};

/** Expiring locks on paths (RFC 4918 §6 and §7). */
export function leasesSuite(engine: Engine): void {
  describe('leases', () => {
    it('locks a path against all others until it is released', async () => {
      const drive = await openDrive(engine);
      const { leases } = drive.store;
      const lease = await leases.acquire(drive.caller, drive.namespace, lock(['docs', 'a']));
      expect(lease).toMatchObject({ path: ['docs', 'a'], userName: 'Ada', owner: '<D:href>me</D:href>' });
      expect(lease.token).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      const again = () => leases.acquire(drive.caller, drive.namespace, lock(['docs', 'a'], { exclusive: false }));
      await expect(again()).rejects.toMatchObject({ code: 'locked' });
      await leases.release(drive.caller, drive.namespace, lease.token);
      await again();
    });

    it('knows what covers what', async () => {
      const drive = await openDrive(engine);
      const { leases } = drive.store;
      const acquire = (path: readonly string[], deep = false) =>
        leases.acquire(drive.caller, drive.namespace, lock(path, { deep }));
      await acquire(['a', 'b'], true);
      await acquire(['a']);
      await acquire(['a', 'b0']);
      await acquire(['a', 'b!']);
      for (const path of [['a', 'b'], ['a', 'b', 'c'], ['a', 'b', 'c', 'd'], ['a']]) {
        await expect(acquire(path)).rejects.toMatchObject({ code: 'locked' });
      }
      await expect(acquire([], true)).rejects.toMatchObject({ code: 'locked' });
      const covering = async (path: readonly string[], below: boolean) =>
        (await leases.covering(drive.caller, drive.namespace, path, below)).map((lease: Lease) => lease.path.join('/'));
      expect(await covering(['a', 'b', 'c'], false)).toEqual(['a/b']);
      expect(await covering(['a', 'x'], true)).toEqual([]);
      expect([...(await covering([], true))].sort()).toEqual(['a', 'a/b', 'a/b!', 'a/b0']);
      await leases.dropUnder(drive.caller, drive.namespace, ['a', 'b']);
      expect([...(await covering(['a'], true))].sort()).toEqual(['a', 'a/b!', 'a/b0']);
    });

    it('lets shared locks stand together', async () => {
      const drive = await openDrive(engine);
      const { leases } = drive.store;
      const shared = lock(['a'], { exclusive: false });
      await leases.acquire(drive.caller, drive.namespace, shared);
      await leases.acquire(drive.caller, drive.namespace, shared);
      await expect(leases.acquire(drive.caller, drive.namespace, lock(['a']))).rejects.toMatchObject({
        code: 'locked',
      });
    });

    it('forgets an expired lock, and extends from now', async () => {
      const drive = await openDrive(engine);
      const { leases } = drive.store;
      const { clock } = drive.opened;
      const lease = await leases.acquire(drive.caller, drive.namespace, lock(['a']));
      clock.advance(minute - 1);
      const extended = await leases.refresh(drive.caller, drive.namespace, lease.token, minute);
      expect(extended.expiresMs).toBe(clock.nowMs() + minute);
      clock.advance(minute);
      expect(await leases.covering(drive.caller, drive.namespace, ['a'], true)).toEqual([]);
      for (const call of [
        () => leases.refresh(drive.caller, drive.namespace, lease.token, minute),
        () => leases.release(drive.caller, drive.namespace, lease.token),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'notFound' });
      }
      await leases.acquire(drive.caller, drive.namespace, lock(['a']));
    });

    it('lets nobody else refresh or release a lock', async () => {
      const drive = await openDrive(engine);
      const bob = await drive.invite('Bob', 'write');
      const { leases } = drive.store;
      const { token } = await leases.acquire(drive.caller, drive.namespace, lock(['a']));
      const refresh = leases.refresh(bob.caller, bob.namespace, token, minute);
      await expect(refresh).rejects.toMatchObject({ code: 'forbidden' });
      await expect(leases.release(bob.caller, bob.namespace, token)).rejects.toMatchObject({ code: 'forbidden' });
      await expect(leases.acquire(bob.caller, bob.namespace, lock(['a']))).rejects.toMatchObject({ code: 'locked' });
    });

    it('gives one of many that ask at once the lock', async () => {
      const drive = await openDrive(engine);
      const other = await drive.opened.again();
      const asked = Array.from({ length: 8 }, (_, at) =>
        (at % 2 === 0 && engine.name === 'Postgres' ? other : drive.store).leases.acquire(
          drive.caller,
          drive.namespace,
          lock(['a'], { deep: at % 2 === 0 }),
        ),
      );
      const settled = await Promise.allSettled(asked);
      expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    it('refuses malformed requests', async () => {
      const drive = await openDrive(engine);
      for (const [wrong, code] of [
        [lock(['..']), 'invalidName'],
        [lock(['a'], { durationMs: 0 }), 'invalidArgument'],
        [lock(['a'], { durationMs: Number.NaN }), 'invalidArgument'],
        [lock(['a'], { owner: 'x'.repeat(5_000) }), 'tooLarge'],
      ] as const) {
        const acquired = drive.store.leases.acquire(drive.caller, drive.namespace, wrong);
        await expect(acquired).rejects.toMatchObject({ code });
      }
    });
  });
}
