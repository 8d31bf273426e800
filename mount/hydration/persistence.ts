import type { Clock } from '../../protocol/environment.ts';
import { DriveError, isDriveError } from '../../protocol/errors.ts';

const pauseMsMin = 100;
const pauseMsMax = 2_000;

/** Whether the same request may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  return isDriveError(error, 'unavailable') || isDriveError(error, 'timeout') || isDriveError(error, 'rateLimited');
}

/**
 * Tries `action` until it succeeds, fails for good, or `timeoutMs` have passed without success; `action` calls
 * `progressed` to start the time anew. Throws what the last attempt threw.
 */
export async function tryUntil<T>(
  clock: Clock,
  timeoutMs: number,
  action: (progressed: () => void) => Promise<T>,
): Promise<T> {
  let sinceMs = clock.nowMs();
  let pauseMs = pauseMsMin;
  for (;;) {
    try {
      return await action(() => {
        sinceMs = clock.nowMs();
        pauseMs = pauseMsMin;
      });
    } catch (error) {
      if (!isPassing(error) || clock.nowMs() + pauseMs - sinceMs >= timeoutMs) throw error;
    }
    await clock.sleep(pauseMs);
    pauseMs = Math.min(pauseMsMax, pauseMs * 2);
  }
}

/** Aborts `controller` with a `timeout` when `idleMs` pass without a call of the returned function; `stop` ends the watch. */
export function watchIdle(
  clock: Clock,
  idleMs: number,
  controller: AbortController,
  what: string,
): { readonly progressed: () => void; readonly stop: () => void } {
  let lastMs = clock.nowMs();
  const stopped = new AbortController();
  const watch = async (): Promise<void> => {
    for (;;) {
      const leftMs = lastMs + idleMs - clock.nowMs();
      if (leftMs <= 0) {
        controller.abort(new DriveError('timeout', `${what} did not answer for ${idleMs} ms; check the connection`));
        return;
      }
      await clock.sleep(leftMs, stopped.signal);
    }
  };
  watch().catch((error: unknown) => {
    if (!stopped.signal.aborted) controller.abort(error);
  });
  return { progressed: () => (lastMs = clock.nowMs()), stop: () => stopped.abort() };
}

/** `promise`, or a rejection with the signal's reason if that comes first. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let giveUp: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(reasonOf(signal));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function reasonOf(signal: AbortSignal): Error {
  return isDriveError(signal.reason) ? signal.reason : new DriveError('cancelled', 'the request was interrupted');
}
