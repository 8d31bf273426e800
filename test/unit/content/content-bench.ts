import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../protocol/environment.ts';
import type { InodeId, NamespaceId } from '../../../protocol/ids.ts';
import { systemClock } from '../../../protocol/system-environment.ts';
import { ContentFiles } from '../../../mount/content/content-files.ts';
import { Hydrator } from '../../../mount/hydration/hydrator.ts';
import type { Ino } from '../../../mount/replica/local-inode.ts';
import { MemoryBlockServer } from './memory-block-server.ts';
import { MemoryContentTree } from './memory-content-tree.ts';

export const namespace = 'f'.repeat(32) as NamespaceId;

export function inodeIdOf(ino: Ino): InodeId {
  return ino.toString(16).padStart(32, '0') as InodeId;
}

export interface ContentBenchOptions {
  readonly cacheBytesMax?: number;
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly isPinned?: (ino: Ino) => boolean;
  /** Where its temporary folder is made. */
  readonly parent?: string;
}

/** Content files and a hydrator over a server in memory, that can be stopped in three ways and started again. */
export class ContentBench {
  readonly directory: string;
  readonly tree = new MemoryContentTree();
  readonly server: MemoryBlockServer;
  files: ContentFiles;
  hydrator: Hydrator;
  readonly #options: Required<Omit<ContentBenchOptions, 'parent'>>;
  #boot = 1;

  constructor(blockBytes: number, options: ContentBenchOptions = {}) {
    this.directory = mkdtempSync(join(options.parent ?? tmpdir(), 'holdfast-content-'));
    this.server = new MemoryBlockServer(blockBytes);
    const defaults = { cacheBytesMax: 2 ** 40, timeoutMs: 2_000, clock: systemClock, isPinned: () => false };
    this.#options = { ...defaults, ...options };
    [this.files, this.hydrator] = this.#start();
  }

  /** The server has `bytes` as version `version` of `ino`, and the tree knows. */
  putHead(ino: Ino, version: number, bytes: Uint8Array): void {
    this.tree.setHead(ino, version, this.server.put(inodeIdOf(ino), version, bytes));
  }

  /** What a read of the whole of `ino` gives. */
  async readAll(ino: Ino): Promise<Uint8Array> {
    const file = this.files.open(ino);
    try {
      await this.hydrator.ensure(file, 0, file.size);
      const bytes = new Uint8Array(file.size);
      file.read(0, bytes);
      return bytes;
    } finally {
      this.files.close(file);
    }
  }

  /** The process dies without a word and starts again; what it wrote is still in the machine's memory. */
  kill(): void {
    this.files.ledger.close();
    [this.files, this.hydrator] = this.#start();
  }

  /** As `kill`, but the machine says it was started anew. */
  killAndReboot(): void {
    this.#boot += 1;
    this.kill();
  }

  async restart(): Promise<void> {
    await this.files.shutdown();
    [this.files, this.hydrator] = this.#start();
  }

  dispose(): void {
    this.files.ledger.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #start(): [ContentFiles, Hydrator] {
    const { tree, server, directory } = this;
    const { clock, cacheBytesMax, timeoutMs, isPinned } = this.#options;
    const files: ContentFiles = new ContentFiles({
      directory,
      cacheBytesMax,
      isPinned,
      tree,
      clock,
      bootId: `boot ${this.#boot}`,
      hydrate: (file, offset, length) => hydrator.ensure(file, offset, length),
    });
    const hydrator: Hydrator = new Hydrator({
      namespace,
      metadata: server,
      blocks: server,
      tree,
      files,
      clock,
      timeoutMs,
    });
    return [files, hydrator];
  }
}
