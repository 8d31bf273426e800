import { DriveError } from './errors.ts';
import { limits } from './limits.ts';

/**
 * Checks that `name` can be a directory entry: UTF-8 of 1 to 255 bytes, stored as written, without "/" or NUL,
 * and not "." or "..". Throws `invalidName` or `nameTooLong`. A lone surrogate is what invalid UTF-8 decodes to
 * nowhere else, so it is refused too.
 */
export function checkName(name: string): void {
  if (name === '' || name === '.' || name === '..') {
    throw new DriveError('invalidName', `"${name}" cannot be the name of a file or folder`);
  }
  if (name.includes('/') || name.includes('\0')) {
    throw new DriveError('invalidName', `a name cannot contain "/" or NUL: ${JSON.stringify(name.slice(0, 80))}`);
  }
  if (!name.isWellFormed()) {
    throw new DriveError('invalidName', `a name must be valid UTF-8: ${JSON.stringify(name.slice(0, 80))}`);
  }
  if (Buffer.byteLength(name) > limits.nameBytesMax) {
    throw new DriveError('nameTooLong', `a name has at most ${limits.nameBytesMax} bytes: "${name.slice(0, 80)}…"`);
  }
}

/** Of a conflicted copy's author; a user name may have more, and the name of the copy needs room for the rest. */
const authorBytesMax = 96;

/** Who lost a concurrent edit, and when; `attempt` counts from 1 and tells several copies of one day apart. */
export interface ConflictedCopyOrigin {
  readonly author: string;
  readonly timeMs: number;
  readonly attempt: number;
}

/**
 * The name of the losing sibling of two concurrent edits: `report.txt` becomes
 * `report (Ada's conflicted copy 2026-11-22).txt`. The extension stays, so that the file still opens in its
 * program; the stem, and a very long author, are cut where the name would pass 255 bytes.
 */
export function conflictedCopyName(name: string, origin: ConflictedCopyOrigin): string {
  const day = new Date(origin.timeMs).toISOString().slice(0, 10);
  const count = origin.attempt > 1 ? ` ${origin.attempt}` : '';
  const author = cutToBytes(origin.author.replaceAll(/[/\0]/g, '_'), authorBytesMax);
  const mark = ` (${author}'s conflicted copy ${day}${count})`;
  const dot = name.lastIndexOf('.');
  const hasExtension = dot > 0 && Buffer.byteLength(name.slice(dot)) <= 32;
  const stem = hasExtension ? name.slice(0, dot) : name;
  const extension = hasExtension ? name.slice(dot) : '';
  const room = limits.nameBytesMax - Buffer.byteLength(mark) - Buffer.byteLength(extension);
  return cutToBytes(stem, room) + mark + extension;
}

/** The longest prefix of whole characters that fits into `bytesMax` bytes of UTF-8. */
function cutToBytes(text: string, bytesMax: number): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > bytesMax) break;
    end += character.length;
  }
  return text.slice(0, end);
}
