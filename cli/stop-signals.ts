/**
 * Resolves with the first SIGINT or SIGTERM. A second one ends the process at once, for somebody who does not want
 * to wait for a clean stop; what was fsynced is safe either way.
 */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve(signal);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
