import { spawnSync } from 'node:child_process';

/** For system calls that Node does not offer (xattrs, mmap, locks). */
export const pythonHere = spawnSync('python3', ['--version']).error === undefined;
if (!pythonHere) console.warn('SKIPPED: xattrs, mmap, locks: python3 is missing');

/** Runs a program and returns what it complained of: empty if all its assertions hold. */
export function python(source: string, args: readonly string[]): string {
  const { stderr, signal } = spawnSync('python3', ['-c', source, ...args], { encoding: 'utf8', timeout: 20_000 });
  return signal === null ? stderr : `ended by ${signal}`;
}
