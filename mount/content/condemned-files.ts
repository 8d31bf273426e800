import { deleteContentAside } from './content-descriptor.ts';
import type { ContentFile } from './content-file.ts';

/** As many are deleted at a time: the thread pool has other work too. */
const underWayMax = 8;
const waitingMax = 4_096;

/**
 * Contents whose inode is gone, to be deleted beside other work. Nobody else has the bytes of dirty ones, and until the
 * removal itself is on the disk a crash brings the name back: so they are deleted only after that, many together.
 */
export class CondemnedFiles {
  readonly #durable: () => Promise<void>;
  readonly #files = new Set<ContentFile>();
  #running: Promise<void> | undefined;

  /** `durable` resolves when what the tree was told so far is on the disk. */
  constructor(durable: () => Promise<void>) {
    this.#durable = durable;
  }

  /** Whether one that could be deleted at once should wait here rather. */
  get hasRoom(): boolean {
    return this.#files.size < waitingMax;
  }

  add(file: ContentFile): void {
    file.closeDescriptor();
    this.#files.add(file);
    this.#running ??= this.#work();
  }

  /** Resolves when all are deleted, or cannot be now: those are left for the next start, which finds no inode for them. */
  async settled(): Promise<void> {
    this.#running ??= this.#work();
    await this.#running;
  }

  async #work(): Promise<void> {
    try {
      await Promise.resolve(); // whoever removes is done with it first
      while (this.#files.size > 0) {
        const files = [...this.#files];
        if (files.some((file) => file.isDirty)) await this.#durable();
        for (let at = 0; at < files.length; at += underWayMax) {
          await Promise.all(files.slice(at, at + underWayMax).map((file) => this.#delete(file)));
        }
      }
    } catch {
      // The disk may be full or gone: they stay, and the next removal or the next start tries again.
    } finally {
      this.#running = undefined;
    }
  }

  async #delete(file: ContentFile): Promise<void> {
    await deleteContentAside(file.path);
    file.delete(); // what is left of it: its record, and what it counts for
    this.#files.delete(file);
  }
}
