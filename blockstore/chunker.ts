import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ChunkingProfile } from './profile.ts';

/** The hash depends on this many bytes before a position. */
const gearWindowBytes = 64;

interface GearExports {
  readonly memory: WebAssembly.Memory;
  readonly windowBytes: WebAssembly.Global<number>;
  readonly tableOffset: WebAssembly.Global<number>;
  readonly windowOffset: WebAssembly.Global<number>;
  reset(): void;
  scan(from: number, to: number, threshold: bigint): number;
}

let gearModule: WebAssembly.Module | undefined;

function instantiateGear(): GearExports {
  gearModule ??= new WebAssembly.Module(readFileSync(new URL('gear.wasm', import.meta.url)));
  return new WebAssembly.Instance(gearModule).exports as unknown as GearExports;
}

const gearTables = new Map<string, Uint8Array>();

/** The 256 gear values of a profile as 2048 little-endian bytes. */
export function gearTable(profile: ChunkingProfile): Uint8Array {
  let table = gearTables.get(profile.gearSeed);
  if (table === undefined) {
    table = new Uint8Array(256 * 8);
    const seed = Buffer.from(profile.gearSeed);
    for (let byte = 0; byte < 256; byte++) {
      const digest = hash('sha256', Buffer.concat([seed, Buffer.of(byte)]), 'buffer');
      table.set(digest.subarray(0, 8), byte * 8);
    }
    gearTables.set(profile.gearSeed, table);
  }
  return table;
}

/**
 * Cuts a stream of bytes where its content says so: FastCDC (Xia et al., USENIX ATC 2016) with normalized
 * chunking and a 64-bit gear hash. A position at least `minBytes` into a chunk is its end if the hash of the 64
 * bytes before it is below a threshold, which is higher from `averageBytes` on; at `maxBytes` the chunk ends anyway.
 *
 * Where a chunk ends depends only on the bytes since its start, not on the pieces they came in. So cutting
 * again from any boundary finds the same later boundaries.
 *
 * Bytes are copied into the memory of a WebAssembly instance of its own (128 KiB), 64 KiB at a time, and the first
 * `minBytes - 64` of a chunk not at all. A chunker is cheap to reuse and belongs to one stream at a time.
 */
export class Chunker {
  readonly #profile: ChunkingProfile;
  readonly #gear: GearExports;
  readonly #window: Uint8Array;
  readonly #strictBelow: bigint;
  readonly #looseBelow: bigint;
  /** Bytes taken in since the last cut. */
  #length = 0;

  constructor(profile: ChunkingProfile) {
    this.#profile = profile;
    this.#gear = instantiateGear();
    const { memory, tableOffset, windowOffset, windowBytes } = this.#gear;
    new Uint8Array(memory.buffer).set(gearTable(profile), tableOffset.value);
    this.#window = new Uint8Array(memory.buffer, windowOffset.value, windowBytes.value);
    this.#strictBelow = 1n << BigInt(64 - profile.strictBits);
    this.#looseBelow = 1n << BigInt(64 - profile.looseBits);
  }

  /** Bytes taken in since the last cut: at the end of the stream, the length of the last chunk. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** Forgets what was taken in since the last cut: the next byte starts a chunk. */
  reset(): void {
    this.#length = 0;
    this.#gear.reset();
  }

  /**
   * Takes in `bytes` up to the end of the chunk at hand. Returns how many of them belong to it if it ends among
   * them (the next call starts with the byte after those), or -1 if it does not.
   */
  cut(bytes: Uint8Array): number {
    let at = this.#skip(bytes.length);
    while (at < bytes.length) {
      const stage = this.#stage();
      const take = Math.min(bytes.length - at, stage.until - this.#length, this.#window.length);
      this.#window.set(bytes.subarray(at, at + take));
      const end = this.#gear.scan(0, take, stage.threshold);
      const taken = end === -1 ? take : end;
      at += taken;
      this.#length += taken;
      if (end !== -1 || this.#length === this.#profile.maxBytes) {
        this.reset();
        return at;
      }
    }
    return -1;
  }

  /** Takes in a piece of any size and returns the lengths of the chunks that end in it. */
  push(bytes: Uint8Array): number[] {
    const lengths: number[] = [];
    let rest = bytes;
    for (;;) {
      const before = this.#length;
      const end = this.cut(rest);
      if (end === -1) return lengths;
      lengths.push(before + end);
      rest = rest.subarray(end);
    }
  }

  /** Ends the stream: returns the length of its last chunk, 0 if there is none, and starts anew. */
  finish(): number {
    const length = this.#length;
    this.reset();
    return length;
  }

  /** Passes over bytes that cannot influence a boundary; returns how many of `available` those are. */
  #skip(available: number): number {
    const skipped = Math.max(0, Math.min(available, this.#profile.minBytes - gearWindowBytes - this.#length));
    this.#length += skipped;
    return skipped;
  }

  #stage(): { readonly until: number; readonly threshold: bigint } {
    const { minBytes, averageBytes, maxBytes } = this.#profile;
    // A chunk has at least minBytes, so the byte that completes them is the first one tested.
    if (this.#length < minBytes - 1) return { until: minBytes - 1, threshold: 0n };
    if (this.#length < averageBytes) return { until: averageBytes, threshold: this.#strictBelow };
    return { until: maxBytes, threshold: this.#looseBelow };
  }
}
