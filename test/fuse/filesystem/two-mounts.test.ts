import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { TwoMounts } from './two-mounts.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.each(direct)('two mounts of one namespace, made as %s', (mounter) => {
  let mounts: TwoMounts;

  beforeAll(async () => {
    mounts = await TwoMounts.start(mounter);
  });
  afterAll(async () => {
    await mounts[Symbol.asyncDispose]();
  });

  it('show each other what they hold: names, modes, times, links and bytes', async () => {
    const content = randomBytes(3_000_000);
    fs.mkdirSync(mounts.a('folder/below'), { recursive: true });
    fs.writeFileSync(mounts.a('folder/file'), content, { mode: 0o640 });
    fs.utimesSync(mounts.a('folder/file'), 1, 1_600_000_000.5);
    fs.symlinkSync('file', mounts.a('folder/symlink'));
    fs.linkSync(mounts.a('folder/file'), mounts.a('folder/below/link'));
    await mounts.synced(0);
    expect(sha(fs.readFileSync(mounts.b('folder/below/link')))).toBe(sha(content));
    const { mode, mtimeMs, nlink } = fs.statSync(mounts.b('folder/file'));
    expect([mode & 0o777, mtimeMs, nlink]).toEqual([0o640, 1_600_000_000_500, 2]);
    expect(fs.readlinkSync(mounts.b('folder/symlink'))).toBe('file');
  });

  it('see an edit of what they had cached, again and again', async () => {
    fs.writeFileSync(mounts.a('edited'), 'first');
    await mounts.synced(0);
    expect(fs.readFileSync(mounts.b('edited'), 'utf8')).toBe('first');
    for (let round = 0; round < 20; round += 1) {
      const both = [mounts.a('edited'), mounts.b('edited')];
      const [from = '', to = ''] = round % 2 === 0 ? both : both.reverse();
      const text = `round ${round} `.repeat(round + 1);
      fs.writeFileSync(from, text);
      await mounts.until(() => fs.readFileSync(to, 'utf8') === text);
    }
  });

  it('upload only what changed in a large file', async () => {
    const content = randomBytes(16 << 20);
    fs.writeFileSync(mounts.a('large'), content);
    await mounts.synced(0);
    const before = await mounts.status(0);
    const fd = fs.openSync(mounts.a('large'), 'r+');
    fs.writeSync(fd, 'CHANGED', 5_000_000);
    fs.closeSync(fd);
    content.write('CHANGED', 5_000_000);
    await mounts.synced(0);
    const after = await mounts.status(0);
    expect(after.uploadedBlocks - before.uploadedBlocks).toBeLessThanOrEqual(3);
    expect(sha(fs.readFileSync(mounts.b('large')))).toBe(sha(content));
  });

  it('keep an old handle on what it opened, and new opens on what is new', async () => {
    fs.writeFileSync(mounts.a('held'), 'old content');
    await mounts.synced(0);
    const fd = fs.openSync(mounts.b('held'), 'r');
    fs.writeFileSync(mounts.a('held'), 'new');
    await mounts.until(() => fs.readFileSync(mounts.b('held'), 'utf8') === 'new');
    const bytes = Buffer.alloc(20);
    expect(fs.readSync(fd, bytes, 0, 20, 0)).toBe(11);
    fs.closeSync(fd);
  });

  it('rename and remove together', async () => {
    fs.renameSync(mounts.b('folder'), mounts.b('moved'));
    fs.rmSync(mounts.b('edited'));
    await mounts.synced(1);
    await mounts.until(() => fs.existsSync(mounts.a('moved/below/link')) && !fs.existsSync(mounts.a('edited')));
    expect(fs.readdirSync(mounts.a()).sort()).toEqual(fs.readdirSync(mounts.b()).sort());
  });
});
