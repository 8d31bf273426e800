import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { runCommand } from './process.ts';
import { skipLoudly, whyNoMount, whyNoProgram } from './requirements.ts';
import type { Device, Stand } from './stand.ts';
import { describeTree, hashFile } from './tree-facts.ts';
import { Vandal } from './vandal.ts';

const seconds = Number(process.env['HOLDFAST_STRESS_SECONDS'] ?? 20);
const seed = Number(process.env['HOLDFAST_STRESS_SEED'] ?? 1);

describe.skipIf(skipLoudly('coherence under stress', whyNoMount(), whyNoProgram('python3', 'python3')))(
  'two mounts on which four programs change the same 50 names',
  () => {
    let stand: Stand;
    let a: Device;
    let b: Device;
    const vandals: Vandal[] = [];

    beforeAll(async () => {
      ({ stand, a, b } = await openAdasStand({ a: 'direct', b: 'direct' }));
    });

    afterAll(async () => {
      for (const vandal of vandals) vandal.kill();
      await stand?.close();
    });

    /** Until neither has anything to send, or to receive. */
    async function settled(): Promise<void> {
      await eventually(async () => {
        for (const device of [a, b]) await device.drain(60);
        const [ofA, ofB] = [await a.status(), await b.status()];
        expect([ofA.dirtyEntries, ofB.dirtyEntries, ofA.lastError, ofB.lastError]).toEqual([0, 0, null, null]);
        expect(ofA.cursor).toBe(ofB.cursor);
      }, 120_000);
    }

    /** Path, kind, mode, links, target and size; times of folders are each mount's own. */
    async function facts(device: Device): Promise<string[]> {
      const lines = await describeTree(device.mountpoint);
      return lines.map((line) => line.split('\t').toSpliced(4, 1).join('\t'));
    }

    /** Files whose bytes differ, with what each mount has in the kernel's pages and, past these, by O_DIRECT. */
    async function differences(lines: readonly string[]): Promise<string[]> {
      const found: string[] = [];
      for (const [name = '', kind] of lines.map((each) => each.split('\t'))) {
        if (kind !== 'f') continue;
        const [ofA, ofB] = [await hashFile(a.path(name)), await hashFile(b.path(name))];
        if (ofA === ofB) continue;
        const past = await Promise.all([a, b].map((device) => hashPastPages(device.path(name))));
        found.push(`${name}: A ${ofA}, past its pages ${past[0]}; B ${ofB}, past its pages ${past[1]}`);
      }
      return found;
    }

    async function hashPastPages(path: string): Promise<string> {
      const script = 'dd if="$1" iflag=direct bs=1M status=none | sha256sum';
      return (await runCommand('sh', ['-c', script, 'sh', path])).stdout.slice(0, 64);
    }

    test(
      'never hang, and show one tree in the end',
      async () => {
        for (const [index, device] of [a, b, a, b].entries()) {
          vandals.push(new Vandal(device.mountpoint, seed * 10 + index));
        }
        const endMs = performance.now() + seconds * 1000;
        while (performance.now() < endMs) {
          await pause(250);
          for (const vandal of vandals) await vandal.check();
        }
        const done = await Promise.all(vandals.map((vandal) => vandal.stop()));
        console.log(`${seconds} s, seed ${seed}: ${done.map(({ calls }) => calls).join(' + ')} calls`);
        for (const { rarest } of done) expect(rarest).toBeGreaterThan(0);
        await settled();
        const seen = await facts(a);
        expect(seen.length).toBeGreaterThan(10);
        await eventually(async () => expect(await facts(b)).toEqual(seen));
        expect(await differences(seen)).toEqual([]);
        expect(stand.server.output).not.toMatch(/"level":50/);
        for (const device of [a, b]) expect(device.process.output).not.toMatch(/"level":[45]0/);
      },
      seconds * 1000 + 240_000,
    );
  },
);
