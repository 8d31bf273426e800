import { DriveError } from '../protocol/errors.ts';

/** Lets a few pieces of work run at a time and a bounded number wait; more are refused with `rateLimited`. */
export class BoundedTurns {
  readonly #runningMax: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(runningMax: number, waitingMax: number) {
    this.#runningMax = runningMax;
    this.#waitingMax = waitingMax;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#runningMax) await this.#turn();
    else this.#running += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The place passes on to who waits longest.
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  async #turn(): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax) {
      throw new DriveError('rateLimited', 'too many log-ins at once; try again in a moment');
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
