import { describe, expect, it } from 'vitest';
import type { ContentFile } from '../../../mount/content/content-file.ts';
import { BoundedReads } from '../../../mount/filesystem/bounded-reads.ts';
import { errno } from '../../../mount/fuse/errno.ts';
import { orAborted } from '../../../mount/hydration/persistence.ts';
import { DriveError } from '../../../protocol/errors.ts';
import { VirtualTime } from '../../simulation/virtual-time.ts';

const ioTimeoutMs = 60_000;
const eio = { errno: errno.EIO };
const file = { ino: 7, generation: 1 } as ContentFile;
const otherFile = { ino: 8, generation: 2 } as ContentFile;

/** Bounded reads over a hydrator that brings nothing unless a test says so. */
function bench(fail?: DriveError) {
  const clock = new VirtualTime();
  const never = Promise.withResolvers<void>();
  const hydrator = {
    lastReceivedMs: 0,
    asked: 0,
    readAhead: () => undefined,
    ensure: async (_file: ContentFile, _offset: number, _length: number, signal?: AbortSignal): Promise<void> => {
      hydrator.asked += 1;
      if (fail !== undefined) throw fail;
      await orAborted(never.promise, signal ?? new AbortController().signal);
    },
  };
  const gaveUp: string[] = [];
  const reads = new BoundedReads({
    ...{ hydrator, clock, ioTimeoutMs },
    gaveUp: (ino, error) => gaveUp.push(`${ino} ${error.message}`),
  });
  const receive = (): void => void (hydrator.lastReceivedMs = clock.nowMs());
  return { clock, hydrator, gaveUp, reads, receive, done: never.resolve };
}

describe('a read that needs the network', () => {
  it('ends with EIO when nothing came for the timeout, and is told of once', async () => {
    const { clock, gaveUp, reads } = bench();
    const startMs = clock.nowMs();
    await expect(clock.run(reads.ensure(file, 0, 100))).rejects.toMatchObject(eio);
    expect(clock.nowMs() - startMs).toBe(ioTimeoutMs);
    expect(gaveUp).toEqual(['7 nothing came from the server for 60 s']);
  });

  it('waits on as long as blocks come, for whomever', async () => {
    const { clock, reads, receive, done } = bench();
    for (const minute of [0.9, 1.8, 2.7]) clock.at(minute * 60_000, receive);
    clock.at(3.5 * 60_000, done);
    const startMs = clock.nowMs();
    await clock.run(reads.ensure(file, 0, 100));
    expect(clock.nowMs() - startMs).toBe(3.5 * 60_000);
  });

  it('ends with EIO when the server could not be reached, but keeps errors that say something else', async () => {
    const away = bench(new DriveError('unavailable', 'no route'));
    await expect(away.clock.run(away.reads.ensure(file, 0, 100))).rejects.toMatchObject(eio);
    expect(away.gaveUp).toEqual(['7 no route']);
    const refused = bench(new DriveError('forbidden', 'not yours any more'));
    await expect(refused.clock.run(refused.reads.ensure(file, 0, 100))).rejects.toMatchObject({ code: 'forbidden' });
    expect(refused.gaveUp).toEqual([]);
  });

  it('can be interrupted', async () => {
    const { clock, gaveUp, reads } = bench();
    const interrupt = new AbortController();
    clock.at(1_000, () => interrupt.abort());
    await expect(clock.run(reads.ensure(file, 0, 100, interrupt.signal))).rejects.toMatchObject({ code: 'cancelled' });
    expect(gaveUp).toEqual([]);
  });

  it('that was given up is not waited for again when the kernel asks for the page of it at once, others are', async () => {
    const { clock, hydrator, gaveUp, reads, receive } = bench();
    await expect(clock.run(reads.ensure(file, 4096, 8192))).rejects.toMatchObject(eio);
    const failedMs = clock.nowMs();
    await expect(clock.run(reads.ensure(file, 8192, 4096))).rejects.toMatchObject(eio);
    expect([clock.nowMs() - failedMs, hydrator.asked, gaveUp.length]).toEqual([0, 1, 1]);
    for (const [which, offset] of [[otherFile, 4096] as const, [file, 0] as const]) {
      const before = clock.nowMs();
      await expect(clock.run(reads.ensure(which, offset, 4096))).rejects.toMatchObject(eio);
      expect(clock.nowMs() - before).toBe(ioTimeoutMs);
    }
    // The server is heard again: there is something to wait for.
    await expect(clock.run(reads.ensure(file, 4096, 4096))).rejects.toMatchObject(eio);
    clock.at(10, receive);
    await clock.run(clock.sleep(20));
    const asked = hydrator.asked;
    await expect(clock.run(reads.ensure(file, 4096, 4096))).rejects.toMatchObject(eio);
    expect(hydrator.asked).toBe(asked + 1);
  });
});
