interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Callers that wait until something holds; it is looked at whenever something may have changed. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();

  /** Resolves once `isDone` is true at a `check`; rejects with the signal's reason if it aborts first. */
  until(isDone: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiter);
        signal?.removeEventListener('abort', abort);
      };
      const waiter: Waiter = {
        isDone,
        resolve: () => {
          leave();
          resolve();
        },
        reject: (error) => {
          leave();
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      };
      const abort = () => waiter.reject(signal?.reason);
      if (signal?.aborted === true) {
        abort();
        return;
      }
      signal?.addEventListener('abort', abort);
      this.#waiting.add(waiter);
    });
  }

  check(): void {
    for (const waiter of this.#waiting) if (waiter.isDone()) waiter.resolve();
  }

  rejectAll(error: Error): void {
    for (const waiter of this.#waiting) waiter.reject(error);
  }
}
