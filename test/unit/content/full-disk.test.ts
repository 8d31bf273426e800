import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isDriveError } from '../../../protocol/errors.ts';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { ContentBench } from './content-bench.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: a full disk: a small tmpfs can only be mounted as root');

const ino = 3 as Ino;
const piece = 64 * 1024;

describe.skipIf(!isRoot)('on a full disk', () => {
  let disk: string;
  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), 'holdfast-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'holdfast-test', disk]);
  });
  afterEach(() => {
    execFileSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true });
  });

  it('a write says noSpace, and what was written before is intact, after a kill too', async () => {
    const bench = new ContentBench(piece, { parent: disk });
    try {
      bench.putHead(ino, 1, new Uint8Array());
      const file = bench.files.open(ino);
      let written = 0;
      const failure = (() => {
        for (;;) {
          try {
            file.write(written, new Uint8Array(piece).fill(1 + ((written / piece) % 200)));
          } catch (error) {
            return error;
          }
          written += piece;
          bench.tree.contentChanged(ino, file.size);
        }
      })();
      expect(isDriveError(failure, 'noSpace')).toBe(true);
      expect(written).toBeGreaterThan(piece);
      // There is room left for the records: a mount starts all the same.
      bench.kill();
      const bytes = await bench.readAll(ino);
      for (let at = 0; at < written; at += piece) expect(bytes[at]).toBe(1 + ((at / piece) % 200));
    } finally {
      bench.dispose();
    }
  });

  it('makes room by evicting what is clean', async () => {
    const bench = new ContentBench(piece, { parent: disk });
    try {
      const clean = 4 as Ino;
      bench.putHead(clean, 1, new Uint8Array(30 * piece).fill(9));
      await bench.readAll(clean);
      bench.putHead(ino, 1, new Uint8Array());
      const file = bench.files.open(ino);
      for (let at = 0; at < 40 * piece; at += piece) file.write(at, new Uint8Array(piece).fill(5));
      bench.tree.contentChanged(ino, file.size);
      expect(file.size).toBe(40 * piece);
      expect(bench.files.usedBytes).toBe(40 * piece);
      bench.files.close(file);
    } finally {
      bench.dispose();
    }
  });
});
