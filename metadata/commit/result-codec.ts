import type { Change } from '../../protocol/changes.ts';
import type { Cursor } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import type { CommitResult, Outcome } from '../../protocol/operations.ts';
import { decodeXattrs, encodeXattrs } from '../inode-rows.ts';
import { applied } from './work.ts';

type StoredState = Omit<InodeState, 'mtimeNs' | 'ctimeNs' | 'xattrs'> & {
  readonly mtimeNs: string;
  readonly ctimeNs: string;
  readonly xattrs: string | null;
};

type StoredChange =
  | Exclude<Change, { type: 'inode' }>
  | (Omit<Extract<Change, { type: 'inode' }>, 'state'> & { readonly state: StoredState });

/** Outcomes other than `applied` with their positions, so that the usual result is a few bytes. */
interface StoredResult {
  readonly cursor: Cursor;
  readonly operations: number;
  readonly others: readonly (readonly [number, Outcome])[];
  readonly corrections: readonly StoredChange[];
}

/** A commit's result as it is kept for a retry, which gets exactly the first. */
export function encodeResult(result: CommitResult): string {
  const others = [...result.outcomes.entries()].filter(([, outcome]) => outcome.type !== 'applied');
  const stored: StoredResult = {
    cursor: result.cursor,
    operations: result.outcomes.length,
    others,
    corrections: result.corrections.map(storedChange),
  };
  return JSON.stringify(stored);
}

export function decodeResult(text: string): CommitResult {
  const stored = JSON.parse(text) as StoredResult;
  const outcomes = new Array<Outcome>(stored.operations).fill(applied);
  for (const [at, outcome] of stored.others) outcomes[at] = outcome;
  return { cursor: stored.cursor, outcomes, corrections: stored.corrections.map(readChange) };
}

function storedChange(change: Change): StoredChange {
  if (change.type !== 'inode') return change;
  const { mtimeNs, ctimeNs, xattrs } = change.state;
  const times = { mtimeNs: mtimeNs.toString(), ctimeNs: ctimeNs.toString() };
  return { ...change, state: { ...change.state, ...times, xattrs: encodeXattrs(xattrs) } };
}

function readChange(change: StoredChange): Change {
  if (change.type !== 'inode') return change;
  const { mtimeNs, ctimeNs, xattrs } = change.state;
  const times = { mtimeNs: BigInt(mtimeNs), ctimeNs: BigInt(ctimeNs) };
  return { ...change, state: { ...change.state, ...times, xattrs: decodeXattrs(xattrs) } };
}
