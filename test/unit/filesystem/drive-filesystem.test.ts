import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errnoOf } from '../../../mount/fuse/errno.ts';
import { openFlags } from '../../../mount/fuse/constants.ts';
import type { FuseAttributes, FuseWriteMode } from '../../../mount/fuse/fuse-filesystem.ts';
import { RequestContext } from '../../../mount/fuse/request-context.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import { LocalDrive } from '../../fuse/filesystem/local-drive.ts';

const root = rootIno as number;
const context = new RequestContext(1, 1000, 1000, 1);
const plainWrite: FuseWriteMode = { append: false, killPrivileges: false, fromCache: false };

/** The handlers without a kernel: what only they know, node ids and counts of lookups, is looked at here. */
describe('DriveFilesystem', () => {
  let directory: string;
  let drive: LocalDrive;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-handlers-'));
    drive = new LocalDrive(directory, 2 ** 40);
  });
  afterEach(async () => {
    await drive.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const lookup = (name: string): FuseAttributes => {
    const found = drive.filesystem.lookup(context, root, name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  };
  const errnoBy = (action: () => unknown): number => {
    try {
      action();
      return 0;
    } catch (error) {
      return errnoOf(error, false);
    }
  };
  const readText = async (fh: number, ino: number): Promise<string> => {
    const target = new Uint8Array(100);
    const count = await drive.filesystem.read(context, ino, fh, 0, target);
    return Buffer.from(target.subarray(0, count)).toString();
  };

  it('gives a new node to content that replaced what is open, and the old node to those who hold it', async () => {
    drive.remoteContent('file', Buffer.from('old content'));
    const before = lookup('file');
    const { fh } = drive.filesystem.open(context, before.ino, openFlags.readOnly, false);
    drive.remoteContent('file', Buffer.from('new'));
    expect(errnoBy(() => drive.filesystem.open(context, before.ino, openFlags.readOnly, false))).toBe(116);
    const after = lookup('file');
    expect(after.ino).not.toBe(before.ino);
    const opened = drive.filesystem.open(context, after.ino, openFlags.readOnly, false);
    expect(await readText(opened.fh, after.ino)).toBe('new');
    expect(await readText(fh, before.ino)).toBe('old content');
    expect(drive.filesystem.getattr(context, before.ino).size).toBe(11);
    drive.filesystem.release(context, before.ino, fh);
    drive.filesystem.forget(before.ino, 1);
    expect(errnoBy(() => drive.filesystem.getattr(context, before.ino))).toBe(116);
    drive.filesystem.release(context, after.ino, opened.fh);
    drive.filesystem.forget(after.ino, 1);
    expect(lookup('file').ino).toBe(before.ino);
  });

  it('keeps an unlinked inode until it is closed and forgotten, whichever comes last', async () => {
    for (const closesFirst of [true, false]) {
      const { attributes, opened } = drive.filesystem.create(context, root, 'short-lived', 0o600, openFlags.readWrite);
      const { ino } = attributes;
      drive.filesystem.write(context, ino, opened.fh, 0, Buffer.from('bytes'), plainWrite);
      drive.filesystem.unlink(context, root, 'short-lived');
      expect(drive.filesystem.getattr(context, ino)).toMatchObject({ nlink: 0, size: 5 });
      const last = [() => drive.filesystem.release(context, ino, opened.fh), () => drive.filesystem.forget(ino, 1)];
      for (const step of closesFirst ? last : last.reverse()) {
        expect(drive.replica.inode(ino as never)).toBeDefined();
        step();
      }
      expect(drive.replica.inode(ino as never)).toBeUndefined();
      await expect.poll(() => drive.files.usedBytes).toBe(0);
    }
  });

  it('counts lookups of every answer that names an inode', () => {
    const made = drive.filesystem.mkdir(context, root, 'folder', 0o755);
    lookup('folder');
    drive.filesystem.readdirplus(context, root, 0, 0, { addName: () => true, addEntry: () => true });
    drive.filesystem.forget(made.ino, 2);
    expect(errnoBy(() => drive.filesystem.getattr(context, made.ino))).toBe(0);
    drive.filesystem.forget(made.ino, 1);
    expect(errnoBy(() => drive.filesystem.getattr(context, made.ino))).toBe(116);
  });

  it('takes back the lookup of an entry that did not fit, and goes on after it', () => {
    for (const name of ['a', 'b', 'c']) drive.filesystem.mkdir(context, root, name, 0o755);
    const seen: string[] = [];
    let offset = 0;
    for (let rounds = 0; rounds < 10; rounds += 1) {
      let room = 1;
      const add = (name: string, _: unknown, next: number): boolean => {
        if (room === 0) return false;
        room -= 1;
        seen.push(name);
        offset = next;
        return true;
      };
      drive.filesystem.readdirplus(context, root, 0, offset, {
        addEntry: add,
        addName: (n, _i, _m, next) => add(n, 0, next),
      });
    }
    expect(seen).toEqual(['.', '..', 'a', 'b', 'c']);
  });

  it('answers what the man pages say', () => {
    const { filesystem } = drive;
    const folder = filesystem.mkdir(context, root, 'd', 0o755);
    const { attributes: file, opened } = filesystem.create(context, root, 'f', 0o644, openFlags.readWrite);
    filesystem.mkdir(context, folder.ino, 'inner', 0o755);
    const table: readonly (readonly [string, number, () => unknown])[] = [
      ['create a taken name', 17, () => filesystem.create(context, root, 'f', 0o644, openFlags.readWrite)],
      ['mkdir on a taken name', 17, () => filesystem.mkdir(context, root, 'f', 0o755)],
      ['unlink nothing', 2, () => filesystem.unlink(context, root, 'none')],
      ['unlink a folder', 21, () => filesystem.unlink(context, root, 'd')],
      ['rmdir a file', 20, () => filesystem.rmdir(context, root, 'f')],
      ['rmdir what is not empty', 39, () => filesystem.rmdir(context, root, 'd')],
      ['rename below itself', 22, () => filesystem.rename(context, root, 'd', folder.ino, 'x', 'replace')],
      ['rename without replacing', 17, () => filesystem.rename(context, root, 'f', root, 'd', 'noReplace')],
      ['exchange with nothing', 2, () => filesystem.rename(context, root, 'f', root, 'none', 'exchange')],
      ['a name of 256 bytes', 36, () => filesystem.mkdir(context, root, 'n'.repeat(256), 0o755)],
      ['open a folder as a file', 21, () => filesystem.open(context, folder.ino, 0, false)],
      [
        'set the size of a folder',
        21,
        () => filesystem.setattr(context, folder.ino, { size: 1, killPrivileges: false }),
      ],
      ['read by a handle that is not', 9, () => filesystem.read(context, file.ino, 999, 0, new Uint8Array(1))],
      [
        'write beyond all limits',
        27,
        () => filesystem.write(context, file.ino, opened.fh, 2 ** 51, Buffer.from('x'), plainWrite),
      ],
      ['seek data in an empty file', 6, () => filesystem.lseek(context, file.ino, opened.fh, 0, 'data')],
      ['collapse a range', 95, () => filesystem.fallocate(context, file.ino, opened.fh, 0, 1, 8)],
      ['an ACL', 95, () => filesystem.setxattr(context, file.ino, 'system.posix_acl_access', Buffer.alloc(4), 'any')],
    ];
    for (const [what, errno, action] of table) expect([what, errnoBy(action)]).toEqual([what, errno]);
  });

  it('takes setuid away where the kernel asks for it, and tells the sync engine of a close after making or writing', () => {
    const { filesystem } = drive;
    const { attributes, opened } = filesystem.create(context, root, 'tool', 0o6755, openFlags.readWrite);
    const { ino } = attributes;
    filesystem.flush(context, ino, opened.fh);
    expect(drive.closed).toEqual([ino]);
    filesystem.flush(context, ino, opened.fh);
    expect(drive.closed).toEqual([ino]);
    filesystem.write(context, ino, opened.fh, 0, Buffer.from('x'), { ...plainWrite, killPrivileges: true });
    expect(filesystem.getattr(context, ino).mode & 0o7777).toBe(0o755);
    filesystem.flush(context, ino, opened.fh);
    filesystem.release(context, ino, opened.fh);
    expect(drive.closed).toEqual([ino, ino]);
    const { ino: device } = filesystem.mknod(context, root, 'made by mknod', 0o100644, 0);
    expect(drive.closed).toEqual([ino, ino, device]);
  });
});
