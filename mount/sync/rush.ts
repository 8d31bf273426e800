/** So many changes in a row are a rush: more than a program makes that saves a document or two. */
const changesMin = 256;
/** A pause this long ends it. */
const pauseMs = 50;
/** Nothing waits longer for its end. */
const waitMsMax = 5_000;

/**
 * Many changes in quick succession: an archive is unpacked, a tree copied or removed. Whoever does that waits for this
 * process, so the drain leaves the processor to it, but not for ever; what is drained afterwards is also less, since
 * much of what is made in a rush is changed or removed again before its end.
 */
export class Rush {
  #sinceMs = 0;
  #lastMs = -Infinity;
  #changes = 0;

  /** Something changed. */
  changed(nowMs: number): void {
    if (nowMs - this.#lastMs > pauseMs) {
      this.#sinceMs = nowMs;
      this.#changes = 0;
    }
    this.#lastMs = nowMs;
    this.#changes += 1;
  }

  /** Whether one is under way, waited for or not. */
  isOn(nowMs: number): boolean {
    return this.#changes >= changesMin && nowMs - this.#lastMs <= pauseMs;
  }

  /** Until when the drain is to wait, as far as can be said now; in the past if there is no rush, or none to wait for any more. */
  get endMs(): number {
    if (this.#changes < changesMin) return 0;
    return Math.min(this.#lastMs + pauseMs, this.#sinceMs + waitMsMax);
  }
}
