import { InvalidArgumentError } from 'commander';

/** Reads a positive number of seconds; for commander. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0)) throw new InvalidArgumentError('it takes a number of seconds above 0');
  return seconds;
}
