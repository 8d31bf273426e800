import type { ContentFile } from './content-file.ts';

/**
 * Dirty contents whose inode is gone: nobody else has their bytes, and until the removal itself is on the disk a crash brings
 * the name back. So they are deleted only after that, many together.
 */
export class CondemnedFiles {
  readonly #durable: () => Promise<void>;
  readonly #files = new Set<ContentFile>();
  #running: Promise<void> | undefined;

  /** `durable` resolves when what the tree was told so far is on the disk. */
  constructor(durable: () => Promise<void>) {
    this.#durable = durable;
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
        await this.#durable();
        for (const file of files) {
          this.#files.delete(file);
          file.delete();
        }
      }
    } catch {
      // The disk may be full or gone: they stay, and the next removal or the next start tries again.
    } finally {
      this.#running = undefined;
    }
  }
}
