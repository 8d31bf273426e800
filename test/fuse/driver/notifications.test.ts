import * as fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mounted, mountersHere } from './mounted.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);

describe.each(direct)('with unlimited timeouts on a mount made as %s', (mounter) => {
  let mounted: Mounted;
  const at = (...names: string[]): string => mounted.path(...names);

  beforeAll(async () => {
    mounted = await Mounted.start(mounter, { timeouts: 'unlimited' });
  });
  afterAll(async () => {
    await mounted[Symbol.asyncDispose]();
  });

  it('the kernel answers from its caches until it is told, then shows the new content and size', async () => {
    fs.writeFileSync(at('file'), 'before');
    expect(fs.readFileSync(at('file'), 'utf8')).toBe('before');
    await mounted.tell({ type: 'setContent', path: 'file', content: 'after, and longer' });
    expect(fs.readFileSync(at('file'), 'utf8')).toBe('before');
    await mounted.tell({ type: 'invalidateContent', path: 'file' });
    expect(fs.statSync(at('file')).size).toBe(17);
    expect(fs.readFileSync(at('file'), 'utf8')).toBe('after, and longer');
  });

  it('a file that is open sees new content too, and a range only where it was named', async () => {
    fs.writeFileSync(at('ranges'), 'a'.repeat(8192));
    const fd = fs.openSync(at('ranges'), 'r');
    const read = (offset: number): string => {
      const one = Buffer.alloc(1);
      fs.readSync(fd, one, 0, 1, offset);
      return one.toString();
    };
    expect([read(0), read(4096)]).toEqual(['a', 'a']);
    await mounted.tell({ type: 'setContent', path: 'ranges', content: 'b'.repeat(8192) });
    await mounted.tell({ type: 'invalidateContent', path: 'ranges', offset: 4096, length: 4096 });
    expect([read(0), read(4096)]).toEqual(['a', 'b']);
    await mounted.tell({ type: 'invalidateContent', path: 'ranges' });
    expect([read(0), read(4096)]).toEqual(['b', 'b']);
    fs.closeSync(fd);
  });

  it('names that come and go become visible', async () => {
    expect(fs.existsSync(at('new'))).toBe(false);
    const { lookups } = await mounted.counts();
    expect(fs.existsSync(at('new'))).toBe(false);
    expect((await mounted.counts()).lookups, 'the negative entry is cached').toBe(lookups);
    await mounted.tell({ type: 'addFile', parent: '', name: 'new', content: 'here' });
    expect(fs.existsSync(at('new'))).toBe(false);
    await mounted.tell({ type: 'invalidateEntry', parent: '', name: 'new' });
    expect(fs.readFileSync(at('new'), 'utf8')).toBe('here');
    await mounted.tell({ type: 'removeFile', parent: '', name: 'new' });
    expect(fs.existsSync(at('new'))).toBe(true);
    await mounted.tell({ type: 'invalidateEntry', parent: '', name: 'new' });
    expect(fs.existsSync(at('new'))).toBe(false);
  });

  it('listings follow', async () => {
    fs.mkdirSync(at('folder'));
    fs.writeFileSync(at('folder/one'), '');
    expect(fs.readdirSync(at('folder'))).toEqual(['one']);
    await mounted.tell({ type: 'addFile', parent: 'folder', name: 'two', content: '' });
    await mounted.tell({ type: 'invalidateEntry', parent: 'folder', name: 'two' });
    await mounted.tell({ type: 'invalidateContent', path: 'folder' });
    expect(fs.readdirSync(at('folder'))).toEqual(['one', 'two']);
  });

  it('attributes alone can be dropped, and what the kernel never knew is no error', async () => {
    fs.writeFileSync(at('attributes'), 'x');
    await mounted.tell({ type: 'invalidateAttributes', path: 'attributes' });
    await mounted.tell({ type: 'addFile', parent: '', name: 'unseen', content: '' });
    await mounted.tell({ type: 'invalidateContent', path: 'unseen' });
    await mounted.tell({ type: 'invalidateEntry', parent: '', name: 'never was' });
    expect(fs.statSync(at('attributes')).size).toBe(1);
  });

  it('notifications about what is being read and written do not deadlock', async () => {
    fs.writeFileSync(at('busy'), Buffer.alloc(1 << 20, 1));
    await mounted.tell({ type: 'answerLater', path: 'busy' });
    let finished = false;
    const notifications = mounted
      .tell({ type: 'invalidateManyTimes', path: 'busy', times: 300 })
      .finally(() => (finished = true));
    const content = Buffer.alloc(1 << 18, 2);
    const work = Array.from({ length: 4 }, async () => {
      for (let round = 0; round < 20 || !finished; round += 1) {
        await fs.promises.writeFile(at('busy'), content);
        await fs.promises.stat(at('busy'));
        await fs.promises.readFile(at('busy'));
        await fs.promises.writeFile(at(`beside ${round % 7}`), 'x');
      }
    });
    await Promise.all([notifications, ...work]);
    expect((await mounted.counts()).defects).toBe(0);
  });
});
