import { SingleBar } from 'cli-progress';
import { setTimeout as pause } from 'node:timers/promises';
import { formatByteSize } from './byte-size.ts';
import { statusOf, type RunningMount } from './running-mounts.ts';

const refreshMs = 500;

/**
 * Shows a progress bar on the terminal while `work` runs: how much of what waits to be uploaded is gone. Elsewhere
 * than on a terminal it only runs `work`.
 */
export async function withDrainProgress<T>(mount: RunningMount, work: () => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return work();
  const bar = new SingleBar({
    format: '{bar} {percentage}% · {left} in {entries} entries left',
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
  });
  const ending = new AbortController();
  const showing = follow(mount, bar, ending.signal);
  try {
    return await work();
  } finally {
    ending.abort();
    await showing;
  }
}

/** Updates the bar until told to end. That the mount does not answer is for `work` to report. */
async function follow(mount: RunningMount, bar: SingleBar, signal: AbortSignal): Promise<void> {
  let mostBytes = 0;
  try {
    bar.start(1, 0, { left: '…', entries: '…' });
    while (!signal.aborted) {
      const status = await statusOf(mount);
      if (status === undefined) break;
      mostBytes = Math.max(mostBytes, status.dirtyBytes, 1);
      bar.setTotal(mostBytes);
      bar.update(mostBytes - status.dirtyBytes, {
        left: formatByteSize(status.dirtyBytes),
        entries: status.dirtyEntries,
      });
      await pause(refreshMs, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    bar.stop();
  }
}
