import { describe, expect, it } from 'vitest';
import {
  arriveRule,
  attributesRule,
  contentRule,
  createRule,
  moveRule,
  unlinkDirectoryRule,
  unlinkRule,
} from '../../../metadata/conflict-rules.ts';
import type { Occupant, Standing } from '../../../metadata/conflict-rules.ts';
import type { Version } from '../../../protocol/ids.ts';
import { inodeKinds } from '../../../protocol/inode-state.ts';

const standings: readonly Standing[] = ['thisInode', 'anotherInode', 'nothing'];
const occupants: readonly Occupant[] = ['nothing', 'thisInode', 'directory', 'other'];
const truths = [false, true];
const [three, five] = [3 as Version, 5 as Version];

/** All combinations of the facts, so that a new fact or value needs a decision here too. */
describe('the conflict rules', () => {
  it('removes a name only where it leads to the inode, and a file only as it was seen', () => {
    for (const standing of standings) {
      for (const alive of truths) {
        for (const kind of inodeKinds) {
          for (const base of [three, five]) {
            const verdict = unlinkRule({ standing, alive, kind, head: five, base });
            const wanted =
              standing === 'anotherInode' || (standing === 'nothing' && alive)
                ? { type: 'refuse', reason: 'movedElsewhere' }
                : standing === 'nothing'
                  ? { type: 'already' }
                  : kind === 'file' && base === three
                    ? { type: 'refuse', reason: 'editWins' }
                    : { type: 'apply' };
            expect(verdict).toEqual(wanted);
          }
        }
      }
    }
  });

  it('removes an empty directory only', () => {
    expect(unlinkDirectoryRule({ entriesLeft: 0 })).toEqual({ type: 'apply' });
    expect(unlinkDirectoryRule({ entriesLeft: 1 })).toEqual({ type: 'refuse', reason: 'editWins' });
  });

  it('lets the first of two moves win, and takes the same move twice for one', () => {
    for (const standing of standings) {
      for (const arrived of truths) {
        expect(moveRule({ standing, alive: true, arrived })).toEqual(
          standing === 'thisInode'
            ? { type: 'apply' }
            : arrived
              ? { type: 'already' }
              : { type: 'refuse', reason: 'movedElsewhere' },
        );
        if (standing === 'thisInode') continue;
        expect(moveRule({ standing, alive: false, arrived })).toEqual({ type: 'refuse', reason: 'gone' });
      }
    }
  });

  it('merges directories and puts everything else beside', () => {
    for (const kind of inodeKinds) {
      for (const occupant of occupants) {
        const wanted =
          occupant === 'nothing' ? 'place' : kind === 'directory' && occupant === 'directory' ? 'merge' : 'copy';
        expect(createRule({ kind, occupant })).toBe(wanted);
      }
    }
  });

  it('never lets a directory come to stand below itself, and never replaces', () => {
    for (const occupant of occupants) {
      expect(arriveRule({ occupant, cycle: true })).toBe('cycle');
      const wanted = { nothing: 'place', thisInode: 'already', directory: 'copy', other: 'copy' } as const;
      expect(arriveRule({ occupant, cycle: false })).toBe(wanted[occupant]);
    }
  });

  it('applies content to the head it was made on, and keeps it in any case', () => {
    for (const alive of truths) {
      for (const madeHere of truths) {
        for (const base of [three, five]) {
          expect(contentRule({ known: false, alive, madeHere, head: five, base })).toBe('gone');
          const wanted = !alive ? 'restore' : madeHere || base === five ? 'apply' : 'copy';
          expect(contentRule({ known: true, alive, madeHere, head: five, base })).toBe(wanted);
        }
      }
    }
  });

  it('sets attributes on what is there', () => {
    expect(attributesRule({ alive: true })).toBe('apply');
    expect(attributesRule({ alive: false })).toBe('gone');
  });
});
