import { DriveError } from '../protocol/errors.ts';

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const pattern = /^(\d+(?:\.\d+)?)\s*(B|[KMGTP]i?B?)?$/i;

/** Reads `20GiB`, `500M`, `1048576`: powers of 1024 whatever the spelling. Throws `invalidArgument`. */
export function parseByteSize(text: string): number {
  const match = pattern.exec(text.trim());
  if (match === null) {
    throw new DriveError('invalidArgument', `"${text}" is not a size; write it like 512MiB or 20GiB`);
  }
  const letter = (match[2] ?? 'B').charAt(0).toUpperCase();
  const power = letter === 'B' ? 0 : 'KMGTP'.indexOf(letter) + 1;
  return Math.round(Number(match[1]) * 1024 ** power);
}

/** Writes a size for people: `1.5 GiB`. */
export function formatByteSize(bytes: number): string {
  let power = 0;
  while (power < units.length - 1 && bytes >= 1024 ** (power + 1)) power += 1;
  const value = bytes / 1024 ** power;
  const digits = power === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[power] ?? 'B'}`;
}
