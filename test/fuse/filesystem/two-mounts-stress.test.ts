import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { mountersHere } from '../driver/mounted.ts';
import { TwoMounts } from './two-mounts.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
const changes = 1_500;
const seeds = [1, 2];
/** What two who change the same names get in each other's way with; anything else is a fault of the mount. */
const expectedErrors = new Set(['ENOENT', 'EEXIST', 'ENOTEMPTY', 'ESTALE']);

/** Somebody who changes few names in every way, with some files held open meanwhile. */
class Vandal {
  readonly #mounts: TwoMounts;
  readonly #random: SeededRandom;
  readonly #held: number[] = [];

  constructor(mounts: TwoMounts, seed: number) {
    this.#mounts = mounts;
    this.#random = new SeededRandom(seed);
  }

  change(): void {
    try {
      this.#change();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined || !expectedErrors.has(code)) throw error;
    }
  }

  closeAll(): void {
    for (const fd of this.#held.splice(0)) fs.closeSync(fd);
  }

  #change(): void {
    const random = this.#random;
    const at = random.chance(0.5) ? (name: string) => this.#mounts.a(name) : (name: string) => this.#mounts.b(name);
    const name = at(`f${random.below(40)}`);
    const folder = at(`d${random.below(10)}`);
    const text = `text ${random.below(1_000_000)}`;
    const ways = [
      () => fs.writeFileSync(name, text),
      () => fs.appendFileSync(name, text),
      () => fs.rmSync(name),
      () => fs.renameSync(name, at(`f${random.below(40)}`)),
      () => {
        fs.mkdirSync(folder, { recursive: true });
        fs.writeFileSync(join(folder, `f${random.below(4)}`), text);
      },
      () => fs.rmSync(folder, { recursive: true }),
      () => this.#held.push(fs.openSync(name, 'r+')),
      () => this.#writeHeld(text),
      () => fs.truncateSync(name, random.below(30)),
    ];
    random.pick(ways)?.();
  }

  #writeHeld(text: string): void {
    const fd = this.#held.shift();
    if (fd === undefined) return;
    try {
      fs.writeSync(fd, text, this.#random.below(20));
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** Every name below `root`, with the size and hash of what it holds. */
function facts(root: string): string[] {
  const entries = fs.readdirSync(root, { withFileTypes: true, recursive: true });
  return entries
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      if (entry.isDirectory()) return `${path.slice(root.length)}/`;
      const bytes = fs.readFileSync(path);
      const hash = createHash('sha256').update(bytes).digest('hex');
      return `${path.slice(root.length)} ${bytes.length} ${hash}`;
    })
    .sort();
}

describe.each(direct)('two mounts, made as %s, on which the same 50 names are changed', (mounter) => {
  it.each(seeds)(
    'drain and agree, with seed %i',
    async (seed) => {
      await using mounts = await TwoMounts.start(mounter);
      const vandal = new Vandal(mounts, seed);
      for (let done = 0; done < changes; done += 1) {
        vandal.change();
        await nextTurn();
      }
      vandal.closeAll();
      await mounts.synced(0);
      await mounts.synced(1);
      await mounts.synced(0);
      for (const mount of [0, 1] as const) {
        expect(await mounts.status(mount)).toMatchObject({ dirtyEntries: 0, dirtyBytes: 0, lastError: null });
      }
      const seen = facts(mounts.a());
      expect(seen.length).toBeGreaterThan(0);
      await expect.poll(() => facts(mounts.b()), { timeout: 10_000 }).toEqual(seen);
    },
    120_000,
  );
});
