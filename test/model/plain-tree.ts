import { DriveError } from '../../protocol/errors.ts';

/** What a tree is in the plainest way: the reference that the replica is compared with. */
export interface PlainNode {
  readonly kind: 'file' | 'directory';
  readonly children: Map<string, PlainNode>;
  mode: number;
  size: number;
}

export type PlainPath = readonly string[];

function fail(code: ConstructorParameters<typeof DriveError>[0]): never {
  throw new DriveError(code, code);
}

/** Directories and files by path, with the rules of POSIX for names, and nothing else. */
export class PlainTree {
  readonly root: PlainNode = { kind: 'directory', children: new Map(), mode: 0o755, size: 0 };

  node(path: PlainPath): PlainNode {
    let at = this.root;
    for (const name of path) at = at.children.get(name) ?? fail('notFound');
    return at;
  }

  create(directory: PlainPath, name: string, kind: PlainNode['kind']): void {
    const parent = this.#directory(directory);
    if (parent.children.has(name)) fail('exists');
    parent.children.set(name, { kind, children: new Map(), mode: 0o644, size: 0 });
  }

  link(path: PlainPath, directory: PlainPath, name: string): void {
    const node = this.node(path);
    this.node(directory);
    if (node.kind === 'directory') fail('isDirectory');
    const parent = this.#directory(directory);
    if (parent.children.has(name)) fail('exists');
    parent.children.set(name, node);
  }

  unlink(directory: PlainPath, name: string): void {
    const parent = this.#directory(directory);
    const node = parent.children.get(name) ?? fail('notFound');
    if (node.kind === 'directory') fail('isDirectory');
    parent.children.delete(name);
  }

  removeDirectory(directory: PlainPath, name: string): void {
    const parent = this.#directory(directory);
    const node = parent.children.get(name) ?? fail('notFound');
    if (node.kind !== 'directory') fail('notDirectory');
    if (node.children.size > 0) fail('notEmpty');
    parent.children.delete(name);
  }

  rename(from: PlainPath, fromName: string, to: PlainPath, toName: string, isExchange: boolean): void {
    // Whoever calls the replica has walked both paths before.
    this.node(from);
    this.node(to);
    const source = this.#directory(from);
    const node = source.children.get(fromName) ?? fail('notFound');
    const parent = this.#directory(to);
    const target = parent.children.get(toName);
    if (isExchange && target === undefined) fail('notFound');
    if (target === node) return;
    if (this.#isBelow(node, parent)) fail('invalidArgument');
    if (isExchange && target !== undefined) {
      if (this.#isBelow(target, source)) fail('invalidArgument');
      source.children.set(fromName, target);
      parent.children.set(toName, node);
      return;
    }
    if (target !== undefined) this.#checkReplaceable(node, target);
    source.children.delete(fromName);
    parent.children.set(toName, node);
  }

  /** How many names lead to a file. */
  links(wanted: PlainNode, at: PlainNode = this.root): number {
    let count = 0;
    for (const child of at.children.values()) count += (child === wanted ? 1 : 0) + this.links(wanted, child);
    return count;
  }

  #checkReplaceable(node: PlainNode, target: PlainNode): void {
    if (target.kind === 'directory' && node.kind !== 'directory') fail('isDirectory');
    if (target.kind === 'directory' && target.children.size > 0) fail('notEmpty');
    if (target.kind !== 'directory' && node.kind === 'directory') fail('notDirectory');
  }

  #directory(path: PlainPath): PlainNode {
    const node = this.node(path);
    return node.kind === 'directory' ? node : fail('notDirectory');
  }

  #isBelow(top: PlainNode, wanted: PlainNode): boolean {
    return top === wanted || [...top.children.values()].some((child) => this.#isBelow(child, wanted));
  }
}
