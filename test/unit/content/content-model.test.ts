import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { ContentBench, inodeIdOf } from './content-bench.ts';

const ino = 5 as Ino;
const sizeMax = 600;
const place = { offset: fc.nat(sizeMax), length: fc.nat(200) };

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('write' as const), ...place, fill: fc.integer({ min: 1, max: 255 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('truncate' as const), size: fc.nat(sizeMax) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('punch' as const), ...place }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('read' as const), ...place }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('drain' as const), isLate: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('evict' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('close' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('kill' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('fsyncAndReboot' as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A content file and the plain bytes it must equal, step by step. */
class Model {
  readonly bench = new ContentBench(64);
  plain: Uint8Array;
  #version = 1;
  #file;

  constructor(initial: Uint8Array) {
    this.plain = initial.slice();
    this.bench.putHead(ino, 1, initial);
    this.#file = this.bench.files.open(ino);
  }

  async run(step: Step): Promise<void> {
    const { files, hydrator } = this.bench;
    switch (step.type) {
      case 'write': {
        const data = new Uint8Array(step.length).fill(step.fill);
        this.#file.write(step.offset, data);
        if (data.length > 0) this.#resize(Math.max(this.plain.length, step.offset + data.length));
        if (data.length > 0) this.plain.set(data, step.offset);
        return this.#changed();
      }
      case 'truncate':
        this.#file.truncate(step.size);
        this.#resize(step.size);
        return this.#changed();
      case 'punch':
        this.#file.punch(step.offset, step.length);
        this.plain.fill(0, step.offset, step.offset + step.length);
        return this.#changed();
      case 'read': {
        await hydrator.ensure(this.#file, step.offset, step.length);
        const target = new Uint8Array(step.length);
        const count = this.#file.read(step.offset, target);
        expect(target.subarray(0, count)).toEqual(this.plain.slice(step.offset, step.offset + step.length));
        return;
      }
      case 'drain':
        return this.#drain(step.isLate);
      case 'evict':
        files.close(this.#file);
        files.evict(0);
        this.#file = files.open(ino);
        return;
      case 'close':
        files.close(this.#file);
        this.#file = files.open(ino);
        return;
      case 'kill':
        this.bench.kill();
        this.#file = this.bench.files.open(ino);
        return;
      case 'fsyncAndReboot':
        await files.sync(ino);
        this.bench.killAndReboot();
        this.#file = this.bench.files.open(ino);
    }
  }

  async check(): Promise<void> {
    expect(this.#file.size).toBe(this.plain.length);
    expect(await this.bench.readAll(ino)).toEqual(this.plain);
    for (const hole of holesOf(this.#file.dataRanges(0), this.plain.length)) {
      expect(this.plain.subarray(hole.start, hole.end).every((byte) => byte === 0)).toBe(true);
    }
  }

  /** Uploads what is dirty on top of the base, as a drain does that believes the dirty ranges; `isLate`: a write comes in between. */
  async #drain(isLate: boolean): Promise<void> {
    const { files, tree, server } = this.bench;
    const sequence = tree.contentSequence(ino);
    const source = files.openForDrain(ino);
    if (source === undefined) throw new Error('nothing to drain');
    const pushed = this.plain.slice();
    const base = this.#baseBytes(source.size);
    for (const { start, end } of source.dirtyRanges) base.set(await source.read(start, end - start), start);
    expect(base).toEqual(pushed);
    await source.close();
    if (isLate) await this.run({ type: 'write', offset: 10, length: 20, fill: 99 });
    this.#version += 1;
    const manifest = server.put(inodeIdOf(ino), this.#version, pushed);
    tree.settle(ino, this.#version, manifest, sequence);
    files.drained(ino, sequence, manifest);
    expect(this.#file.isDirty).toBe(isLate);
  }

  /** The base version's bytes, cut or filled to `size`: what a drain has for everything not dirty. */
  #baseBytes(size: number): Uint8Array {
    const manifest = this.bench.tree.manifest(ino);
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const entry of manifest?.entries ?? []) {
      const block = this.bench.server.block(entry.hash);
      if (block !== undefined && at < size) bytes.set(block.subarray(0, size - at), at);
      at += entry.length;
    }
    return bytes;
  }

  #resize(size: number): void {
    const next = new Uint8Array(size);
    next.set(this.plain.subarray(0, size));
    this.plain = next;
  }

  #changed(): void {
    this.bench.tree.contentChanged(ino, this.#file.size);
  }
}

function holesOf(data: readonly { start: number; end: number }[], size: number): { start: number; end: number }[] {
  const bounds = [0, ...data.flatMap((range) => [range.start, range.end]), size];
  const holes = [];
  for (let i = 0; i < bounds.length; i += 2) holes.push({ start: bounds[i] ?? 0, end: bounds[i + 1] ?? 0 });
  return holes;
}

it('equals a plain buffer after any writes, cuts, holes, drains, evictions, kills and reboots', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), fc.array(step, { maxLength: 25 }), async (initial, steps) => {
      const model = new Model(initial);
      try {
        for (const next of steps) await model.run(next);
        await model.check();
      } finally {
        model.bench.dispose();
      }
    }),
    { numRuns: 150 },
  );
}, 120_000);
