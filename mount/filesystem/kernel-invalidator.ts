import type { Notifier } from '../fuse/notify.ts';
import type { Invalidation } from '../replica/invalidation.ts';
import type { Ino } from '../replica/local-inode.ts';
import type { Nodes } from './nodes.ts';

export type KernelNotifier = Pick<Notifier, 'invalidateContent' | 'invalidateAttributes' | 'invalidateEntry'>;

/** So many notifications are given to the kernel at a time; the others wait here. */
const underWayMax = 256;

/**
 * Tells the kernel what remote changes made stale, and only of what it knows. Nothing waits for it but those who ask
 * with `settled`: a notification may wait for a request that is being answered.
 */
export class KernelInvalidator {
  readonly #nodes: Nodes;
  readonly #onError: (error: unknown) => void;
  #notifier: KernelNotifier | undefined;
  /** By what they say, so that a name that changes often waits once. */
  readonly #waiting = new Map<string, () => Promise<void>>();
  #underWay = 0;
  #idle: (() => void)[] = [];

  constructor(nodes: Nodes, onError: (error: unknown) => void) {
    this.#nodes = nodes;
    this.#onError = onError;
  }

  /** The mount is there: before, the kernel knew nothing. */
  connect(notifier: KernelNotifier): void {
    this.#notifier = notifier;
  }

  invalidate(invalidations: readonly Invalidation[]): void {
    for (const invalidation of invalidations) {
      switch (invalidation.type) {
        case 'entry':
          this.#entry(invalidation.parent, invalidation.name);
          break;
        case 'attributes':
          this.#attributes(invalidation.ino);
          break;
        case 'content':
          this.#content(invalidation.ino);
          break;
      }
    }
  }

  /** A name came to be in a directory the kernel knows by this node id. */
  nameAppeared(parent: number, name: string): void {
    this.#send(`entry ${parent} ${name}`, (notifier) => notifier.invalidateEntry(parent, name));
    this.#send(`content ${parent}`, (notifier) => notifier.invalidateContent(parent));
  }

  /** Resolves when the kernel has taken in all that was invalidated before the call. */
  settled(): Promise<void> {
    if (this.#underWay === 0 && this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #entry(parent: Ino, name: string): void {
    const directory = this.#nodes.held(parent);
    if (directory === undefined) return;
    this.nameAppeared(directory.id, name);
  }

  #attributes(ino: Ino): void {
    const node = this.#nodes.held(ino);
    if (node === undefined) return;
    this.#send(`attributes ${node.id}`, (notifier) => notifier.invalidateAttributes(node.id));
  }

  #content(ino: Ino): void {
    const node = this.#nodes.held(ino);
    if (node === undefined) return;
    if (node.opens > 0) {
      // Those who have it open keep their pages; whoever comes by its name finds the new one under a new node.
      for (const { parent, name } of node.places) {
        this.#send(`entry ${parent} ${name}`, (notifier) => notifier.invalidateEntry(parent, name));
      }
      this.#attributes(ino);
      return;
    }
    const mark = Symbol('stale');
    node.stalePages = mark;
    this.#send(`content ${node.id}`, async (notifier) => {
      await notifier.invalidateContent(node.id);
      if (node.stalePages === mark) node.stalePages = undefined;
    });
  }

  #send(key: string, notify: (notifier: KernelNotifier) => Promise<void>): void {
    const notifier = this.#notifier;
    if (notifier === undefined) return;
    this.#waiting.set(key, () => notify(notifier));
    this.#pump();
  }

  #pump(): void {
    for (const [key, notify] of this.#waiting) {
      if (this.#underWay >= underWayMax) return;
      this.#waiting.delete(key);
      this.#underWay += 1;
      void notify()
        .catch(this.#onError)
        .finally(() => {
          this.#underWay -= 1;
          this.#pump();
          if (this.#underWay === 0 && this.#waiting.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
        });
    }
  }
}
