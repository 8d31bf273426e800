import type { InodeId, Version } from '../../../protocol/ids.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import { manifestSize } from '../../../protocol/manifest.ts';
import type { Ino, LocalInode } from '../../../mount/replica/local-inode.ts';

interface FileState {
  size: number;
  version: Version;
  manifest: Manifest | undefined;
  isDirty: boolean;
  sequence: number;
}

/** Just enough of a tree for content files: inodes with sizes, versions and manifests. It survives their "crashes". */
export class MemoryContentTree {
  readonly #files = new Map<Ino, FileState>();

  /** A new version is the head, as if the server had said so. */
  setHead(ino: Ino, version: number, manifest: Manifest): void {
    const sequence = (this.#files.get(ino)?.sequence ?? 0) + 1;
    this.#files.set(ino, {
      size: manifestSize(manifest),
      version: version as Version,
      manifest,
      isDirty: false,
      sequence,
    });
  }

  forgetManifest(ino: Ino): void {
    const state = this.#files.get(ino);
    if (state !== undefined) state.manifest = undefined;
  }

  /** What was uploaded is committed. */
  settle(ino: Ino, version: number, manifest: Manifest, sequence: number): void {
    const state = this.#state(ino);
    state.version = version as Version;
    state.manifest = manifest;
    if (state.sequence === sequence) state.isDirty = false;
  }

  remove(ino: Ino): void {
    this.#files.delete(ino);
  }

  inode(ino: Ino): LocalInode | undefined {
    const state = this.#files.get(ino);
    if (state === undefined) return undefined;
    return {
      ino,
      id: ino.toString(16).padStart(32, '0') as InodeId,
      kind: 'file',
      mode: 0o644,
      uid: null,
      gid: null,
      rdev: 0,
      size: state.size,
      nlink: 1,
      atimeNs: 0n,
      mtimeNs: 0n,
      ctimeNs: 0n,
      target: null,
      version: state.version,
      contentDirty: state.isDirty,
    };
  }

  contentSequence(ino: Ino): number {
    return this.#state(ino).sequence;
  }

  contentChanged(ino: Ino, size: number): LocalInode {
    const state = this.#state(ino);
    state.size = size;
    state.isDirty = true;
    state.sequence += 1;
    const inode = this.inode(ino);
    if (inode === undefined) throw new Error('unreachable');
    return inode;
  }

  async durable(): Promise<void> {}

  manifest(ino: Ino): Manifest | undefined {
    return this.#files.get(ino)?.manifest;
  }

  rememberManifest(ino: Ino, manifest: Manifest): void {
    this.#state(ino).manifest = manifest;
  }

  #state(ino: Ino): FileState {
    const state = this.#files.get(ino);
    if (state === undefined) throw new Error(`no inode ${ino}`);
    return state;
  }
}
