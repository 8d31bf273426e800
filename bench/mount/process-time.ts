import { readFileSync } from 'node:fs';

/** The clock ticks of proc(5) are 1/100 s on every Linux that Holdfast supports. */
const tickMs = 10;

/** Processor time that a process took so far, its own and the kernel's for it, in milliseconds (proc(5): utime, stime). */
export function processTimeMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold anything; after it come the state and what is numbered from 3 on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}
