import { chmod, mkdir, readFile, readdir, rename, rm, rmdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdasStand } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { runCommand } from './process.ts';
import { skipLoudly, whyNoMount, whyNoProgram } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

const noPython = skipLoudly('remote changes by mmap', whyNoProgram('python3', 'python3'));
/** Much longer than it takes, and much shorter than for ever, which is how long the kernel believes what it was told. */
const visibleMs = 5_000;

/** What the file holds for who maps it into memory. */
async function mapped(path: string): Promise<string> {
  const script =
    'import mmap, sys\nwith open(sys.argv[1]) as f: print(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:].decode(), end="")';
  const { stdout, stderr } = await runCommand('python3', ['-c', script, path]);
  return stdout + stderr;
}

describe.skipIf(skipLoudly('remote changes', whyNoMount()))(
  'what changes on A, once B has all of it in its caches',
  () => {
    let stand: Stand;
    let a: Device;
    let b: Device;

    beforeAll(async () => {
      ({ stand, a, b } = await openAdasStand({ a: 'direct', b: 'direct' }));
    });

    afterAll(() => stand?.close());

    /** Changes something on A and waits until B shows it, by what `check` sees of it. */
    async function seen(change: () => Promise<unknown>, check: () => Promise<void>): Promise<void> {
      await change();
      await eventually(check, visibleMs);
      // Not only now and then.
      await check();
    }

    async function absent(...names: string[]): Promise<void> {
      for (const name of names) await expect(stat(b.path(name))).rejects.toThrow('ENOENT');
    }

    test('is seen by stat: size, mode, times, and what a name leads to', async () => {
      await absent('file', 'other');
      await seen(
        () => writeFile(a.path('file'), 'one'),
        async () => expect((await stat(b.path('file'))).size).toBe(3),
      );
      await seen(
        () => chmod(a.path('file'), 0o751),
        async () => expect((await stat(b.path('file'))).mode & 0o777).toBe(0o751),
      );
      await seen(
        () => utimes(a.path('file'), 1_500_000_000, 1_500_000_000.25),
        async () => expect((await stat(b.path('file'))).mtimeMs).toBe(1_500_000_000_250),
      );
      await seen(
        () => writeFile(a.path('file'), 'a longer one'),
        async () => expect((await stat(b.path('file'))).size).toBe(12),
      );
      await writeFile(a.path('other'), 'other');
      await seen(
        () => rename(a.path('other'), a.path('file')),
        async () => expect((await stat(b.path('file'))).size).toBe(5),
      );
      await absent('other');
      await seen(
        () => rm(a.path('file')),
        () => absent('file'),
      );
    }, 60_000);

    test('is seen by ls: names that come, go, move and become something else', async () => {
      await mkdir(a.path('folder'));
      const shows =
        (...names: string[]) =>
        async () =>
          expect((await readdir(b.path('folder'))).sort()).toEqual(names);
      await eventually(shows(), visibleMs);
      await seen(() => writeFile(a.path('folder', 'x'), ''), shows('x'));
      await seen(() => symlink('x', a.path('folder', 'l')), shows('l', 'x'));
      await seen(() => rename(a.path('folder', 'x'), a.path('folder', 'y')), shows('l', 'y'));
      await seen(() => rename(a.path('folder', 'y'), a.path('z')), shows('l'));
      expect(await readdir(b.mountpoint)).toEqual(expect.arrayContaining(['folder', 'z']));
      await seen(
        async () => {
          await rm(a.path('folder', 'l'));
          await mkdir(a.path('folder', 'l'));
        },
        async () => expect((await stat(b.path('folder', 'l'))).isDirectory()).toBe(true),
      );
      await seen(
        () => rename(a.path('folder'), a.path('moved')),
        () => absent('folder', 'folder/l'),
      );
      expect(await readdir(b.path('moved'))).toEqual(['l']);
      await seen(
        async () => {
          await rmdir(a.path('moved', 'l'));
          await rmdir(a.path('moved'));
        },
        () => absent('moved', 'moved/l'),
      );
    }, 60_000);

    test('is seen where there was nothing: every name that was asked for in vain', async () => {
      const names = Array.from({ length: 20 }, (_, index) => `none-${index}`);
      await absent(...names);
      await seen(
        () => Promise.all(names.map((name) => writeFile(a.path(name), name))),
        async () => {
          for (const name of names) expect(await readFile(b.path(name), 'utf8')).toBe(name);
        },
      );
      await seen(
        () => Promise.all(names.map((name) => rm(a.path(name)))),
        () => absent(...names),
      );
    }, 60_000);

    test.each([
      ['read', (path: string) => readFile(path, 'utf8')] as const,
      ...(noPython ? [] : [['mmap', mapped] as const]),
    ])(
      'is seen by %s, whose pages the kernel had',
      async (how, read) => {
        const name = `pages-${how}`;
        for (const content of [
          'first '.repeat(2000),
          'second'.repeat(2000),
          'third, shorter',
          'fourth '.repeat(9000),
        ]) {
          await seen(
            () => writeFile(a.path(name), content),
            async () => expect((await read(b.path(name))) === content).toBe(true),
          );
        }
      },
      60_000,
    );
  },
);
