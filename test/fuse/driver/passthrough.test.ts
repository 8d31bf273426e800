import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Mounted, mountersHere } from './mounted.ts';

const [major = 0, minor = 0] = execFileSync('uname', ['-r'], { encoding: 'utf8' }).split('.').map(Number);
const kernelCan = major > 6 || (major === 6 && minor >= 9);
if (!kernelCan) console.warn('SKIPPED: passthrough: the kernel is older than 6.9');

describe.skipIf(!kernelCan || !mountersHere().includes('root'))('passthrough', () => {
  it('serves reads and writes from the backing file without a request', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-backing-'));
    try {
      await using mounted = await Mounted.start('root', { timeouts: 'unlimited', passthrough: true });
      writeFileSync(join(directory, 'content'), 'from the backing file');
      writeFileSync(mounted.path('file'), 'x'.repeat(21));
      await mounted.tell({ type: 'back', path: 'file', by: join(directory, 'content') });
      const before = await mounted.counts();
      expect(readFileSync(mounted.path('file'), 'utf8')).toBe('from the backing file');
      const fd = openSync(mounted.path('file'), 'r+');
      writeFileSync(fd, 'FROM');
      closeSync(fd);
      const { reads, writes } = await mounted.counts();
      expect([reads, writes]).toEqual([before.reads, before.writes]);
      expect(readFileSync(join(directory, 'content'), 'utf8')).toBe('FROM the backing file');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
