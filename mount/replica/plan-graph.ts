/**
 * Groups what must happen in one commit and orders the groups so that each comes after those it depends on: the
 * strongly connected components of a graph in reverse topological order (Tarjan 1972), found on demand from seeds,
 * with an explicit stack, since a chain of dependencies can be as long as there are changes.
 */
export class PlanGraph<Node> {
  readonly #keyOf: (node: Node) => string;
  readonly #edgesOf: (node: Node) => readonly Node[];
  readonly #index = new Map<string, number>();
  readonly #low = new Map<string, number>();
  readonly #component = new Map<string, number>();
  readonly #stack: Node[] = [];
  #components = 0;

  constructor(keyOf: (node: Node) => string, edgesOf: (node: Node) => readonly Node[]) {
    this.#keyOf = keyOf;
    this.#edgesOf = edgesOf;
  }

  /** The component a node was put in, numbered in the order they were given out. */
  componentOf(node: Node): number | undefined {
    return this.#component.get(this.#keyOf(node));
  }

  /** The components reachable from `seed` that were not given out yet, each after those it depends on. */
  *from(seed: Node): Generator<readonly Node[], void> {
    if (this.#index.has(this.#keyOf(seed))) return;
    const path = [this.#enter(seed)];
    for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
      const next = at.edges[at.position++];
      if (next !== undefined) {
        const key = this.#keyOf(next);
        if (!this.#index.has(key)) path.push(this.#enter(next));
        else if (!this.#component.has(key)) this.#lower(at.key, this.#index.get(key));
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above !== undefined) this.#lower(above.key, this.#low.get(at.key));
      if (this.#low.get(at.key) === this.#index.get(at.key)) yield this.#close(at.key);
    }
  }

  #enter(node: Node): { key: string; edges: readonly Node[]; position: number } {
    const key = this.#keyOf(node);
    this.#index.set(key, this.#index.size);
    this.#low.set(key, this.#index.size - 1);
    this.#stack.push(node);
    return { key, edges: this.#edgesOf(node), position: 0 };
  }

  #lower(key: string, value: number | undefined): void {
    const low = this.#low.get(key);
    if (low !== undefined && value !== undefined && value < low) this.#low.set(key, value);
  }

  #close(root: string): readonly Node[] {
    const members: Node[] = [];
    for (let node = this.#stack.pop(); node !== undefined; node = this.#stack.pop()) {
      members.push(node);
      this.#component.set(this.#keyOf(node), this.#components);
      if (this.#keyOf(node) === root) break;
    }
    this.#components += 1;
    return members.reverse();
  }
}
