import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { DriveError } from '../../protocol/errors.ts';
import type { DriveErrorCode } from '../../protocol/errors.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';
import { rootIno } from '../../mount/replica/local-inode.ts';
import type { Ino, LocalInode } from '../../mount/replica/local-inode.ts';
import { openReplica } from '../../mount/replica/replica.ts';
import type { Replica } from '../../mount/replica/replica.ts';
import { ReferenceRules } from './reference-rules.ts';
import { ReferenceTree } from './reference-tree.ts';
import type { Place, ReferenceInode, View } from './reference-tree.ts';
import { goodNames } from './tree-steps.ts';
import type { PlacePick, TreeStep } from './tree-steps.ts';

const namespace = 'ab'.repeat(16) as NamespaceId;

/** Somebody who reads a directory in pieces while it changes. */
interface Reader {
  readonly directory: ReferenceInode;
  /** Stays of names that were there from the start, and those that were read. */
  readonly due: ReadonlySet<number>;
  readonly read: Set<number>;
  cookie: number;
}

function viewOf(inode: LocalInode): View {
  const { ino, kind, mode, uid, gid, rdev, size, nlink, atimeNs, mtimeNs, ctimeNs, target } = inode;
  return { ino, kind, mode, uid, gid, rdev, size, nlink, atimeNs, mtimeNs, ctimeNs, target };
}

/** A replica and a plain tree that take the same steps. */
export class TreeRun {
  /** How often a step succeeded, and how often it was refused with which code. */
  readonly met: Map<'done' | DriveErrorCode, number>;
  readonly #directory: string;
  readonly #tree: ReferenceTree;
  readonly #rules: ReferenceRules;
  readonly #everMade: Ino[] = [rootIno];
  readonly #changesMax: number;
  #lives = 0;
  #replica: Replica;
  #readers: Reader[] = [];

  /** Keeps its database in `directory`, and commits it after `changesMax` changes. */
  constructor(directory: string, changesMax: number, met: Map<'done' | DriveErrorCode, number>) {
    this.#directory = directory;
    this.#changesMax = changesMax;
    this.met = met;
    this.#replica = this.#open();
    const root = this.#replica.inode(rootIno);
    if (root === undefined) throw new Error('there is no root');
    this.#tree = new ReferenceTree(root);
    this.#rules = new ReferenceRules(this.#tree);
  }

  async run(step: TreeStep): Promise<void> {
    if (step.type === 'restart') await this.#restart(step.isKilled);
    else this.#take(step);
    expect(this.#replica.totals()).toEqual(this.#tree.totals());
  }

  close(): Promise<void> {
    return this.#replica.close();
  }

  /** Compares all there is. */
  check(): void {
    expect(this.#replica.totals()).toEqual(this.#tree.totals());
    for (const ino of this.#everMade) {
      const inode = this.#tree.inodes.get(ino);
      if (inode === undefined) this.#checkGone(ino);
      else this.#checkInode(inode);
    }
  }

  #take(step: Exclude<TreeStep, { type: 'restart' }>): void {
    switch (step.type) {
      case 'create':
      case 'createUnlinked':
        return this.#create(step);
      case 'link': {
        const [ino, place] = [this.#inode(step.inode), this.#place(step.place)];
        return this.#compare(
          this.#rules.link(ino, place),
          () => viewOf(this.#replica.link(ino, place.parent, place.name, step.nowNs)),
          () => this.#tree.link(ino, place, step.nowNs),
        );
      }
      case 'unlink': {
        const place = this.#place(step.place);
        return this.#compare(
          this.#rules.unlink(place),
          () => viewOf(this.#replica.unlink(place.parent, place.name, step.nowNs)),
          () => this.#tree.remove(place, step.nowNs),
        );
      }
      case 'removeDirectory': {
        const place = this.#place(step.place);
        return this.#compare(
          this.#rules.removeDirectory(place),
          () => viewOf(this.#replica.removeDirectory(place.parent, place.name, step.nowNs)),
          () => this.#tree.remove(place, step.nowNs),
        );
      }
      case 'rename':
        return this.#rename(this.#place(step.from), this.#place(step.to), step);
      case 'renameOntoItself':
        return this.#rename(this.#place(step.place), this.#place(step.place), step);
      case 'hold':
      case 'release':
        return this.#hold(step);
      case 'startReading':
        return this.#startReading(this.#directoryIno(step.directory));
      case 'readOn':
        return this.#readOn(this.#readers[step.reader % this.#readers.length], step.limit);
      default:
        return this.#changeInode(step);
    }
  }

  #create(step: Extract<TreeStep, { type: 'create' | 'createUnlinked' }>): void {
    // Only a symlink points anywhere.
    const inode = { ...step.inode, target: step.inode.kind === 'symlink' ? step.inode.target : null };
    let made: Ino | undefined;
    const note = (result: LocalInode) => {
      made = result.ino;
      expect(this.#everMade).not.toContain(made);
      this.#everMade.push(made);
      return viewOf(result);
    };
    if (step.type === 'createUnlinked') {
      const unnamed = { ...inode, kind: 'file' as const, target: null };
      return this.#compare(
        [],
        () => note(this.#replica.createUnlinked(unnamed, step.nowNs)),
        () => this.#tree.createUnlinked(made ?? rootIno, unnamed, step.nowNs),
      );
    }
    const place = this.#place(step.place);
    this.#compare(
      this.#rules.create(place, inode),
      () => note(this.#replica.create(place.parent, place.name, inode, step.nowNs)),
      () => this.#tree.create(made ?? rootIno, place, inode, step.nowNs),
    );
  }

  #rename(from: Place, to: Place, step: Extract<TreeStep, { type: 'rename' | 'renameOntoItself' }>): void {
    this.#compare(
      this.#rules.rename(from, to, step.mode),
      () => {
        const replaced = this.#replica.rename(from, to, step.mode, step.nowNs);
        return replaced === undefined ? undefined : viewOf(replaced);
      },
      () => this.#tree.rename(from, to, step.mode, step.nowNs),
    );
  }

  #changeInode(
    step: Extract<TreeStep, { type: 'setAttributes' | 'setXattr' | 'removeXattr' | 'contentChanged' }>,
  ): void {
    const ino = this.#inode(step.inode);
    const { nowNs } = step;
    switch (step.type) {
      case 'setAttributes':
        return this.#compare(
          this.#rules.existing(ino),
          () => viewOf(this.#replica.setAttributes(ino, step.set, nowNs)),
          () => this.#tree.setAttributes(ino, step.set, nowNs),
        );
      case 'setXattr':
        return this.#compare(
          this.#rules.setXattr(ino, step.name, step.value, step.mode),
          () => this.#replica.setXattr(ino, step.name, step.value, step.mode, nowNs),
          () => this.#tree.setXattr(ino, step.name, step.value, nowNs),
        );
      case 'removeXattr':
        return this.#compare(
          this.#rules.removeXattr(ino, step.name),
          () => this.#replica.removeXattr(ino, step.name, nowNs),
          () => this.#tree.removeXattr(ino, step.name, nowNs),
        );
      case 'contentChanged': {
        const before = this.#replica.contentSequence(ino);
        return this.#compare(
          this.#rules.contentChanged(ino, step.size),
          () => {
            const inode = this.#replica.contentChanged(ino, step.size, nowNs);
            expect(inode.contentDirty).toBe(true);
            expect(this.#replica.contentSequence(ino)).toBeGreaterThan(before);
            return viewOf(inode);
          },
          () => this.#tree.contentChanged(ino, step.size, nowNs),
        );
      }
    }
  }

  #hold(step: Extract<TreeStep, { type: 'hold' | 'release' }>): void {
    const inodes = [...this.#tree.inodes.values()].filter((inode) => step.type === 'hold' || inode.holds > 0);
    const inode = inodes[step.inode % inodes.length];
    if (inode === undefined) return;
    if (step.type === 'release') expect(this.#replica.release(inode.ino)).toBe(this.#tree.release(inode));
    else {
      this.#replica.hold(inode.ino);
      inode.holds += 1;
    }
  }

  /** Runs `real`, which must be refused by one of `refusals` and change nothing, or give what the reference gives. */
  #compare<Result>(refusals: readonly DriveErrorCode[], real: () => Result, reference: () => Result): void {
    let result: Result;
    try {
      result = real();
    } catch (error) {
      if (!(error instanceof DriveError)) throw error;
      expect(refusals).toContain(error.code);
      this.#count(error.code);
      return this.check();
    }
    expect(refusals).toEqual([]);
    expect(result).toEqual(reference());
    this.#count('done');
  }

  #count(outcome: 'done' | DriveErrorCode): void {
    this.met.set(outcome, (this.met.get(outcome) ?? 0) + 1);
  }

  /** Mostly something that is there; else any number that ever was. */
  #inode(pick: number): Ino {
    const there = [...this.#tree.inodes.keys()];
    const choice = pick % 20 === 0 ? this.#everMade : there;
    return choice[Math.floor(pick / 20) % choice.length] ?? rootIno;
  }

  #directoryIno(pick: number): Ino {
    if (pick % 20 === 0) return this.#inode(pick);
    const directories = [...this.#tree.inodes.values()].filter((inode) => inode.kind === 'directory');
    return directories[Math.floor(pick / 20) % directories.length]?.ino ?? rootIno;
  }

  #place({ directory, name, isTaken }: PlacePick): Place {
    const places = isTaken ? this.#tree.placesOf(undefined) : [];
    return places[directory % places.length] ?? { parent: this.#directoryIno(directory), name };
  }

  #startReading(ino: Ino): void {
    const directory = this.#tree.inodes.get(ino);
    if (directory === undefined) {
      expect(this.#replica.list(ino, 0, 10)).toEqual([]);
      return;
    }
    const due = new Set([...directory.entries.values()].map((entry) => entry.stay));
    this.#readers.push({ directory, due, read: new Set(), cookie: 0 });
  }

  /**
   * What is read is there, and comes once for each stay of its name. At the end, all that was there from the start and
   * still is has been read.
   */
  #readOn(reader: Reader | undefined, limit: number): void {
    if (reader === undefined) return;
    const { directory, due, read } = reader;
    const page = this.#replica.list(directory.ino, reader.cookie, limit);
    expect(page.length).toBeLessThanOrEqual(limit);
    for (const { cookie, name, inode } of page) {
      expect(cookie).toBeGreaterThan(reader.cookie);
      reader.cookie = cookie;
      const entry = directory.entries.get(name);
      if (entry === undefined) throw new Error(`"${name}" is listed but not there`);
      expect(viewOf(inode)).toEqual(this.#tree.view(entry.inode));
      expect(read).not.toContain(entry.stay);
      read.add(entry.stay);
    }
    if (page.length === limit) return;
    for (const [name, { stay }] of directory.entries) {
      expect({ name, isMissed: due.has(stay) && !read.has(stay) }).toEqual({ name, isMissed: false });
    }
    this.#readers = this.#readers.filter((other) => other !== reader);
  }

  #checkGone(ino: Ino): void {
    expect(this.#replica.inode(ino)).toBeUndefined();
    expect(this.#replica.pathOf(ino)).toBeUndefined();
    expect(this.#replica.xattrNames(ino)).toEqual([]);
    expect(this.#replica.list(ino, 0, 1)).toEqual([]);
    expect(() => this.#replica.parentOf(ino)).toThrow(DriveError);
  }

  #checkInode(inode: ReferenceInode): void {
    const { ino } = inode;
    const found = this.#replica.inode(ino);
    expect(found === undefined ? undefined : viewOf(found)).toEqual(this.#tree.view(inode));
    const paths = this.#tree.pathsOf(inode);
    if (paths.length === 0) expect(this.#replica.pathOf(ino)).toBeUndefined();
    else expect(paths).toContain(this.#replica.pathOf(ino));
    for (const { parent, name } of this.#tree.placesOf(inode)) {
      expect(this.#replica.lookup(parent, name)?.ino).toBe(ino);
      if (inode.kind === 'directory') expect(this.#replica.parentOf(ino)).toBe(parent);
    }
    for (const name of goodNames) {
      if (!inode.entries.has(name)) expect(this.#replica.lookup(ino, name)).toBeUndefined();
    }
    const xattrs = this.#replica
      .xattrNames(ino)
      .map((name) => [name, Buffer.from(this.#replica.xattr(ino, name) ?? []).toString('hex')]);
    expect(Object.fromEntries(xattrs)).toEqual(Object.fromEntries(inode.xattrs));
    const listed = this.#replica.list(ino, 0, 1_000).map((entry) => [entry.name, viewOf(entry.inode)] as const);
    expect(listed).toHaveLength(inode.entries.size);
    const entries = [...inode.entries].map(([name, entry]) => [name, this.#tree.view(entry.inode)] as const);
    expect(new Map(listed)).toEqual(new Map(entries));
    if (ino === rootIno) expect(this.#replica.parentOf(ino)).toBe(rootIno);
  }

  /** A restart after the replica was closed, or after all was made durable and the process was killed. */
  async #restart(isKilled: boolean): Promise<void> {
    const killed = this.#path();
    if (isKilled) {
      await this.#replica.durable();
      this.#lives += 1;
      for (const suffix of ['', '-wal']) copyFileSync(`${killed}${suffix}`, `${this.#path()}${suffix}`);
    }
    await this.#replica.close();
    this.#replica = this.#open();
    this.#tree.restart();
    this.#readers = [];
    this.check();
  }

  #path(): string {
    return join(this.#directory, `replica-${this.#lives}.db`);
  }

  #open(): Replica {
    const groupCommit = { delayMs: 20, changesMax: this.#changesMax };
    const environment = { clock: systemClock, randomness: systemRandomness };
    return openReplica({ path: this.#path(), namespace, groupCommit, ...environment });
  }
}
