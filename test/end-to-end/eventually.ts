import { setTimeout as pause } from 'node:timers/promises';

const pauseMs = 20;

/**
 * Tries `check` until it stops throwing, and rethrows its last error after `timeoutMs`. For what happens in another
 * process, which announces it to nobody; within a process, await the event.
 */
export async function eventually<T>(check: () => Promise<T>, timeoutMs = 20_000): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await pause(pauseMs);
    }
  }
}
