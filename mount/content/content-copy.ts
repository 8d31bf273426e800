import { setImmediate as nextTurn } from 'node:timers/promises';
import { versionZero } from '../../protocol/ids.ts';
import type { ContentFile } from './content-file.ts';
import type { ByteRange } from './content-store.ts';

/** Bytes move through memory in pieces of this size. */
const pieceBytes = 1024 * 1024;
/** After so many bytes others have their turn. */
const turnBytes = 16 * pieceBytes;

const buffer = Buffer.allocUnsafeSlow(pieceBytes);

/** Whether all of `source` is one version's content, and `target` is a new file without any. */
export function canShare(source: ContentFile, target: ContentFile): boolean {
  const isOneVersion = !source.isDirty && !source.isRetired && source.source.version !== versionZero;
  const isBlank = target.size === 0 && target.source.version === versionZero && !target.isRetired;
  return isOneVersion && isBlank && source !== target;
}

/**
 * Brings what of `source` is local to `target`, which shares its version. What is not brought (because `source` was changed meanwhile, say)
 * is hydrated when it is read, from other files here or from the server.
 */
export async function bringLocalBytes(source: ContentFile, target: ContentFile): Promise<void> {
  const shared = source.source;
  let sinceTurn = 0;
  for (const { start, end } of source.dataRanges(0)) {
    for (let at = start; at < end; at += pieceBytes) {
      if (sinceTurn >= turnBytes) {
        await nextTurn();
        sinceTurn = 0;
      }
      const length = Math.min(pieceBytes, end - at);
      if (source.isDirty || source.source !== shared || target.source !== shared) return;
      if (!source.isReadable(at, length)) continue;
      target.hydrate(at, buffer.subarray(0, source.read(at, buffer.subarray(0, length))));
      sinceTurn += length;
    }
  }
}

/** Copies bytes, all of which are local, and leaves holes holes. The ranges may not overlap in one file. */
export function copyBytes(source: ContentFile, target: ContentFile, from: number, to: number, length: number): void {
  const end = from + length;
  let at = from;
  for (const data of dataWithin(source, from, end)) {
    if (data.start > at) writeHole(target, to + at - from, data.start - at);
    for (at = data.start; at < data.end;) {
      const piece = buffer.subarray(0, Math.min(pieceBytes, data.end - at));
      target.write(to + at - from, piece.subarray(0, source.read(at, piece)));
      at += piece.length;
    }
  }
  if (at < end) writeHole(target, to + at - from, end - at);
}

function dataWithin(source: ContentFile, start: number, end: number): ByteRange[] {
  return source
    .dataRanges(start)
    .filter((range) => range.start < end)
    .map((range) => ({ start: range.start, end: Math.min(range.end, end) }));
}

function writeHole(target: ContentFile, offset: number, length: number): void {
  target.punch(offset, length);
  if (offset + length > target.size) target.truncate(offset + length);
}
