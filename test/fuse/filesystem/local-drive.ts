import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cursorZero } from '../../../protocol/ids.ts';
import type { Cursor, InodeId, NamespaceId, Version } from '../../../protocol/ids.ts';
import { makeId, rootInodeOf } from '../../../protocol/ids.ts';
import { manifestSize } from '../../../protocol/manifest.ts';
import type { Change } from '../../../protocol/changes.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';
import { ContentFiles } from '../../../mount/content/content-files.ts';
import { DriveFilesystem } from '../../../mount/filesystem/drive-filesystem.ts';
import { KernelInvalidator } from '../../../mount/filesystem/kernel-invalidator.ts';
import { Hydrator } from '../../../mount/hydration/hydrator.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { openReplica } from '../../../mount/replica/replica.ts';
import type { Replica } from '../../../mount/replica/replica.ts';
import { MemoryBlockServer } from '../../unit/content/memory-block-server.ts';

const namespace = '5'.repeat(32) as NamespaceId;
const blockBytes = 128 * 1024;

/** A drive without a sync engine: real replica, real content files, and a server in memory that the test speaks for. */
export class LocalDrive {
  readonly server = new MemoryBlockServer(blockBytes);
  readonly replica: Replica;
  readonly files: ContentFiles;
  readonly hydrator: Hydrator;
  readonly filesystem: DriveFilesystem;
  readonly invalidator: KernelInvalidator;
  readonly errors: string[] = [];
  /** Inodes whose closes were told to the sync engine. */
  readonly closed: Ino[] = [];
  #cursor = cursorZero as number;

  constructor(cacheDirectory: string, cacheBytesMax: number) {
    mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 });
    const clock = systemClock;
    this.replica = openReplica({
      path: join(cacheDirectory, 'replica.db'),
      namespace,
      clock,
      randomness: systemRandomness,
    });
    const tree = this.replica;
    const files: ContentFiles = new ContentFiles({
      directory: join(cacheDirectory, 'content'),
      cacheBytesMax,
      tree,
      clock,
      bootId: 'this boot',
      hydrate: (file, offset, length) => hydrator.ensure(file, offset, length),
    });
    const blocks = this.server;
    const hydrator: Hydrator = new Hydrator({
      namespace,
      metadata: blocks,
      blocks,
      tree,
      files,
      clock,
      timeoutMs: 1_000,
    });
    this.files = files;
    this.hydrator = hydrator;
    this.filesystem = new DriveFilesystem({
      ...{ tree, files, hydrator, clock, cacheDirectory },
      owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      author: 'Ada',
      syncMode: 'local',
      hints: {
        changed: () => undefined,
        contentClosed: (ino) => this.closed.push(ino),
        committed: async () => undefined,
      },
      nameAppeared: (parent, name) => this.invalidator.nameAppeared(parent, name),
    });
    this.invalidator = new KernelInvalidator(this.filesystem.nodes, (error) => this.errors.push(String(error)));
  }

  /** Somebody else made or changed the file `name` in the root. */
  remoteContent(name: string, bytes: Uint8Array): void {
    this.#cursor = Math.max(this.#cursor, this.replica.cursor()) + 1;
    const known = this.replica.lookup(rootIno, name);
    const inode = known?.id ?? makeId<InodeId>(systemClock, systemRandomness);
    const manifest = this.server.put(inode, this.#cursor, bytes);
    const nowNs = systemClock.nowNs();
    this.#apply([
      {
        type: 'inode',
        state: {
          ...{
            inode,
            kind: 'file',
            size: manifestSize(manifest),
            version: this.#cursor as Version,
            rdev: 0,
            target: null,
          },
          ...{ xattrs: new Map(), mode: 0o644, uid: null, gid: null, mtimeNs: nowNs, ctimeNs: nowNs },
        },
        manifest,
      },
      { type: 'dentry', parent: rootInodeOf(namespace), name, inode },
    ]);
    const local = this.replica.lookup(rootIno, name);
    if (known !== undefined && local !== undefined && !local.contentDirty) this.files.replaced(local.ino);
  }

  remoteRemove(name: string): void {
    this.#cursor = Math.max(this.#cursor, this.replica.cursor()) + 1;
    const known = this.replica.lookup(rootIno, name);
    if (known === undefined) throw new Error(`there is no ${name}`);
    this.#apply([
      { type: 'dentry', parent: rootInodeOf(namespace), name, inode: null },
      { type: 'inodeGone', inode: known.id },
    ]);
  }

  async close(): Promise<void> {
    await this.files.shutdown();
    await this.replica.close();
  }

  #apply(changes: readonly Change[]): void {
    const invalidations = this.replica.applyRemote({
      ...{ cursor: this.#cursor as Cursor, last: true, changes },
      ...{ clientCommitId: null, author: 'Grace', device: null, timeMs: Date.now() },
    });
    this.invalidator.invalidate(invalidations);
  }
}
