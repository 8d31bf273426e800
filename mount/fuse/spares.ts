/** How many are kept; more are made while they are needed and dropped afterwards. */
const keptMax = 4;

/** Large buffers that are used over and over. */
export class Spares<Item> {
  readonly #make: () => Item;
  readonly #items: Item[] = [];

  constructor(make: () => Item) {
    this.#make = make;
  }

  take(): Item {
    return this.#items.pop() ?? this.#make();
  }

  giveBack(item: Item): void {
    if (this.#items.length < keptMax) this.#items.push(item);
  }
}
