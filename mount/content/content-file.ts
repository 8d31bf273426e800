import { closeSync, fdatasync, fstatSync, ftruncateSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { DriveError } from '../../protocol/errors.ts';
import type { InodeId, Version } from '../../protocol/ids.ts';
import type { Ino } from '../replica/local-inode.ts';
import { openContent, syncDirectory } from './content-descriptor.ts';
import { encodeClaims } from './content-claims.ts';
import type { ContentClaims } from './content-claims.ts';
import type { ContentLedger, LedgerRow } from './content-ledger.ts';
import type { ByteRange } from './content-store.ts';
import { dataRangesOf } from './data-pieces.ts';
import { DirtyRanges } from './dirty-ranges.ts';
import { codeOf, errorOfDisk, ShortWrite } from './disk-errors.ts';
import type { DiskRoom } from './disk-room.ts';
import { DiskUsage } from './disk-usage.ts';
import type { ManifestMap } from './manifest-map.ts';
import type { RangeSet } from './range-set.ts';
import { rangeOfSegment, segmentBytes, segmentsByAge, SegmentUses } from './segment-uses.ts';
import type { EvictableSegment } from './segment-uses.ts';
import { punchHole, reserveSpace } from './sparse-file.ts';
import { readWhole, writeWhole } from './whole-transfers.ts';

/** Where the bytes that are not local come from: one version of one inode. */
export interface ContentSource {
  readonly inode: InodeId;
  readonly version: Version;
}

/** What the content files of a mount share. */
export interface ContentFileHost {
  readonly ledger: ContentLedger;
  nowMs(): number;
  readonly room: DiskRoom;
  /** The local disk now holds so many more bytes (or fewer). */
  grew(bytes: number): void;
}

const zeros = Buffer.alloc(64 * 1024);
const fdatasyncOf = promisify(fdatasync);

/**
 * One content state of one inode, as a sparse local file of the same size. All calls but `sync` are synchronous.
 *
 * What is on disk never claims more than is true: bytes are in the file before the ledger says so, and while a file
 * is written to, the ledger says "anything local may be dirty". So the death of the process loses nothing, and
 * after a power loss only what was fsynced is believed.
 */
export class ContentFile {
  readonly generation: number;
  readonly path: string;
  /** Whose content this is; changes when the content is moved to a conflicted copy. */
  ino: Ino;
  source: ContentSource;
  /** The manifest of `source`, once it is known. */
  map: ManifestMap | undefined;
  /** How many hold it open; kept by `ContentFiles`. */
  handles = 0;
  usedMs: number;
  /** How many need all that is local to stay: whoever reads the content file itself, not through this object. */
  keepers = 0;
  /** No longer its inode's content: it lives on for those who have it open, and as a donor of blocks. */
  isRetired = false;

  readonly #host: ContentFileHost;
  #size: number;
  #baseEnd: number;
  readonly #present: RangeSet;
  readonly #dirty: DirtyRanges;
  #isDirty: boolean;
  #isExactOnDisk: boolean;
  #isRecorded: boolean;
  #durableClaims: string | null;
  #isDirectoryDurable = false;
  readonly #usage: DiskUsage;
  #uses: SegmentUses | undefined;
  /** Ranges that somebody waits for. */
  readonly #wanted = new Set<ByteRange>();
  #fd: number | undefined;

  constructor(
    host: ContentFileHost,
    identity: { readonly generation: number; readonly path: string; readonly ino: Ino; readonly source: ContentSource },
    claims: ContentClaims,
    /** How the ledger has it; `undefined` if it has not. */
    row: LedgerRow | undefined,
  ) {
    this.#host = host;
    this.generation = identity.generation;
    this.path = identity.path;
    this.ino = identity.ino;
    this.source = identity.source;
    this.#size = claims.size;
    this.#baseEnd = claims.baseEnd;
    this.#present = claims.present;
    this.#dirty = new DirtyRanges(claims.dirty);
    this.#isDirty = row?.isDirty ?? false;
    this.#isRecorded = row !== undefined;
    this.#isExactOnDisk = row?.isExact ?? false;
    this.#durableClaims = row?.durableClaims ?? null;
    this.#usage = new DiskUsage(identity.path, row?.byteLength ?? 0, (bytes) => host.grew(bytes));
    this.usedMs = row?.usedMs ?? host.nowMs();
  }

  get size(): number {
    return this.#size;
  }

  /** Whether it was changed here since the version it was made on top of. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  get dirtyRanges(): ByteRange[] {
    return this.#dirty.union().ranges();
  }

  get isHydrated(): boolean {
    return this.#present.covers(0, this.#baseEnd);
  }

  /** Bytes that its content file takes on the local disk. */
  get localBytes(): number {
    return this.#usage.bytes;
  }

  /** What of `[offset, offset + length)` must be hydrated before it can be read. */
  missing(offset: number, length: number): ByteRange[] {
    const end = Math.min(offset + length, this.#baseEnd);
    return offset >= end ? [] : this.#present.missing(offset, end);
  }

  isReadable(offset: number, length: number): boolean {
    return this.#present.covers(offset, Math.min(offset + length, this.#baseEnd));
  }

  /** Fills `target` from `offset`; returns how many bytes there were before the end. All must be hydrated. */
  read(offset: number, target: Uint8Array): number {
    const length = Math.max(0, Math.min(target.length, this.#size - offset));
    if (!this.isReadable(offset, length))
      throw new DriveError('internal', `inode ${this.ino} is read before it is hydrated`);
    if (length === 0) return 0;
    this.#touch(offset, offset + length);
    readWhole(this.#descriptor(), offset, target, length);
    return length;
  }

  /** Writes all of `data`; throws `noSpace`, after having written what fitted. */
  write(offset: number, data: Uint8Array): number {
    if (data.length === 0) return 0;
    this.#startChange();
    let done = 0;
    try {
      done = this.#writeBytes(offset, data);
    } catch (error) {
      if (error instanceof ShortWrite) done = error.done;
      throw errorOfDisk(error, this.path);
    } finally {
      if (done > 0) this.#changed(offset, offset + done);
      this.#wrote(offset, done);
    }
    return done;
  }

  /** Cuts the file, or lets it grow by zeros. */
  truncate(size: number): void {
    if (size === this.#size) return;
    this.#startChange();
    this.#onDisk(() => ftruncateSync(this.#descriptor(), size));
    if (size < this.#size) {
      this.#baseEnd = Math.min(this.#baseEnd, size);
      this.#present.remove(this.#baseEnd, Infinity);
      this.#dirty.remove(size, Infinity);
      this.#size = size;
      this.#usage.measure(this.#fd);
      this.record();
      this.#startChange();
    } else {
      this.#changed(this.#size, size);
    }
  }

  /** Makes a range read as zeros and gives its disk space back. Does not change the size: what is beyond is left out. */
  punch(offset: number, length: number): void {
    const end = Math.min(offset + length, this.#size);
    if (offset >= end) return;
    this.#startChange();
    this.#clear(offset, end);
    this.#changed(offset, end);
    this.#usage.measure(this.#fd);
  }

  /** Makes sure that writing to a range cannot run out of disk. Throws `noSpace`. */
  reserve(offset: number, length: number): void {
    this.#onDisk(() => this.#host.room.claim(length));
    reserveSpace(this.#descriptor(), offset, length);
    this.#usage.measure(this.#fd);
  }

  /** Where data is from `offset` on, in order, touching pieces joined. What is not hydrated counts by its manifest. */
  dataRanges(offset: number): ByteRange[] {
    const layout = { size: this.#size, baseEnd: this.#baseEnd, present: this.#present, map: this.map };
    return dataRangesOf({ ...layout, descriptor: () => this.#descriptor() }, offset);
  }

  /** Takes in verified bytes of `source`. What was written or hydrated meanwhile stays. */
  hydrate(offset: number, bytes: Uint8Array): void {
    for (const range of this.missing(offset, bytes.length)) {
      this.#onDisk(() => this.#writeBytes(range.start, bytes.subarray(range.start - offset, range.end - offset)));
      this.#wrote(range.start, range.end - range.start);
      this.#arrived(range);
    }
  }

  /** Takes in a hole of `source`, which costs no disk. */
  hydrateHole(offset: number, length: number): void {
    for (const range of this.missing(offset, length)) {
      // An interrupted write may have left bytes there that nobody claims.
      this.#clear(range.start, range.end);
      this.#arrived(range);
    }
  }

  /** From now on writes are told apart from those before: a drain starts to read at `sequence`. */
  startDrain(sequence: number): void {
    this.#dirty.startEpoch(sequence);
  }

  /** All that was written up to `sequence` is committed as `map` under `source`; `isLatest` if nothing came after. */
  settle(sequence: number, isLatest: boolean, source: ContentSource, map: ManifestMap): void {
    const baseEnd = Math.min(map.size, this.#size);
    this.#present.add(this.#baseEnd, baseEnd);
    this.#baseEnd = baseEnd;
    this.source = source;
    this.map = map;
    if (isLatest) {
      this.#dirty.clear();
      this.#isDirty = false;
    } else {
      this.#dirty.settle(sequence);
    }
    this.record(true, true);
  }

  /** What is not dirty is the content of `source` now, at the same offsets; with `isClean`, all of it is. */
  rebase(source: ContentSource, isClean: boolean): void {
    this.source = source;
    this.map = undefined;
    if (!isClean) return;
    this.#dirty.clear();
    this.#isDirty = false;
  }

  /** The content becomes that of a new inode, which has no version: all of it is news to the server. */
  adopt(ino: Ino): void {
    this.ino = ino;
    this.isRetired = false;
    this.#isDirty = true;
    this.#dirty.clear();
    for (const range of this.#present.ranges()) this.#dirty.add(range.start, range.end);
    this.#dirty.add(this.#baseEnd, this.#size);
    this.record();
  }

  /** A file without content or version becomes what the clean `other` is: `map`, of which nothing is local yet. */
  becomeCopyOf(other: ContentFile, map: ManifestMap): void {
    this.#startChange();
    this.#onDisk(() => ftruncateSync(this.#descriptor(), other.#size));
    this.#size = other.#size;
    this.#baseEnd = other.#baseEnd;
    this.source = other.source;
    this.map = map;
    this.record();
    this.#startChange();
  }

  /** Data durable on the local disk, and then the record of it. */
  async sync(): Promise<void> {
    if (this.isRetired || !this.#isRecorded) return;
    const claims = encodeClaims(this.#claims());
    // What is to be claimed as durable must not be evicted meanwhile.
    this.keepers += 1;
    try {
      await fdatasyncOf(this.#descriptor());
    } finally {
      this.keepers -= 1;
    }
    if (!this.#isDirectoryDurable) {
      syncDirectory(dirname(this.path));
      this.#isDirectoryDurable = true;
    }
    this.#durableClaims = claims;
    if (this.#isRecorded) this.#host.ledger.setDurable(this.generation, claims);
    await this.#host.ledger.flush();
  }

  /**
   * Writes everything known into the ledger; without `isExact`, that more is about to come. It may wait for a
   * transaction with others where what the disk has recorded stays true meanwhile.
   */
  record(isExact = true, mayWait = false): void {
    if (this.isRetired) return;
    const { ino, generation, source, usedMs } = this;
    const row: LedgerRow = {
      generation,
      ino,
      sourceInode: source.inode,
      sourceVersion: source.version,
      claims: encodeClaims(this.#claims()),
      isDirty: this.#isDirty,
      isExact,
      durableClaims: this.#durableClaims,
      byteLength: this.#usage.bytes,
      usedMs,
    };
    if (mayWait) this.#host.ledger.recordSoon(row);
    else this.#host.ledger.record(row);
    this.#isRecorded = true;
    this.#isExactOnDisk = isExact;
  }

  /** Writes into the ledger what changed since it was last recorded, if it was ever to be; when a dirty file was used does not matter. */
  recordIfNeeded(): void {
    if (this.isRetired || (!this.#isRecorded && !this.#isDirty)) return;
    if (this.#uses !== undefined) {
      this.#host.ledger.recordUses(this.generation, this.#uses.takeUnrecorded());
      // Its turn to be evicted comes with the segment that was used longest ago.
      if (!this.#isDirty) this.usedMs = this.evictable()[0]?.usedMs ?? this.usedMs;
    }
    if (!this.#isExactOnDisk) this.record(true, true);
    else if (!this.#isDirty) this.#host.ledger.touch(this.generation, this.usedMs, this.#usage.bytes);
  }

  /** Closes the descriptor; the next use opens it again. */
  closeDescriptor(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** It is not its inode's content any more; the ledger forgets it. */
  retire(): void {
    if (this.isRetired) return;
    this.isRetired = true;
    if (this.#isRecorded) this.#host.ledger.delete(this.generation);
    this.#isRecorded = false;
  }

  /** Takes the bytes from the disk, for good: first of all, since on a full disk nothing can be recorded before. */
  delete(): void {
    this.closeDescriptor();
    try {
      unlinkSync(this.path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw errorOfDisk(error, this.path);
    }
    this.#usage.deleted();
    this.retire();
  }

  /** `[start, end)` is not evicted until the returned function is called: somebody waits for it and will read it. */
  want(range: ByteRange): () => void {
    this.#wanted.add(range);
    return () => this.#wanted.delete(range);
  }

  /** Counts anew what it takes of the disk: always, or if something was written since. */
  measure(when: 'always' | 'ifWritten'): void {
    if (when === 'always' || this.#usage.isEstimate) this.#usage.measure(this.#fd);
  }

  /** What may be evicted, by segments, those used longest ago first; nothing of a dirty file, nor of what somebody needs. */
  evictable(): EvictableSegment[] {
    if (this.#isDirty || this.keepers > 0 || this.isRetired) return [];
    return segmentsByAge(this.#present.ranges(), this.#wanted, (segment) =>
      this.#size > segmentBytes ? this.#segmentUses().usedMs(segment) : this.usedMs,
    );
  }

  /**
   * Gives up segments that `evictable` named just now. The ledger forgets them first and the disk after it, so that what is
   * claimed is there, whenever the process dies. Throws `noSpace`, having changed nothing, if the ledger cannot be written.
   */
  evict(segments: readonly number[]): void {
    const ranges = segments.map(rangeOfSegment);
    const given = ranges.flatMap(({ start, end }) => this.#present.within(start, end));
    for (const { start, end } of ranges) this.#present.remove(start, end);
    const durableClaims = this.#durableClaims;
    // It is clean, so all that was fsynced is committed, and after a power loss nothing here needs to be believed.
    this.#durableClaims = null;
    try {
      this.record();
    } catch (error) {
      this.#durableClaims = durableClaims;
      for (const { start, end } of given) this.#present.add(start, end);
      throw error;
    }
    this.#giveBack(ranges);
    this.#usage.measure(this.#fd);
    this.#host.ledger.measured(this.generation, this.#usage.bytes);
  }

  #giveBack(ranges: readonly ByteRange[]): void {
    const fd = this.#descriptor();
    if (ranges.every(({ start, end }) => punchHole(fd, start, end - start))) return;
    // This filesystem has no holes to punch: then all goes, which any can do.
    this.#present.clear();
    this.record();
    this.#onDisk(() => ftruncateSync(fd, 0));
    this.#onDisk(() => ftruncateSync(fd, this.#size));
  }

  #segmentUses(): SegmentUses {
    this.#uses ??= new SegmentUses(this.#isRecorded ? this.#host.ledger.segmentUses(this.generation) : []);
    return this.#uses;
  }

  #touch(start: number, end: number): void {
    if (this.#size > segmentBytes) this.#segmentUses().touch(start, end, this.#host.nowMs());
  }

  #wrote(offset: number, length: number): void {
    if (length === 0) return;
    this.#touch(offset, offset + length);
    this.#usage.wrote(length, this.#descriptor());
  }

  #claims(): ContentClaims {
    return { size: this.#size, baseEnd: this.#baseEnd, present: this.#present, dirty: this.#dirty.union() };
  }

  #descriptor(): number {
    if (this.#fd !== undefined) return this.#fd;
    const fd = this.#onDisk(() => openContent(this.path));
    this.#fd = fd;
    // What lies beyond the bytes written so far is a hole, so that SEEK_HOLE and a drain's own reads see the size.
    if (fstatSync(fd).size !== this.#size) this.#onDisk(() => ftruncateSync(fd, this.#size));
    return fd;
  }

  /** Before bytes change: the ledger learns that they may have. */
  #startChange(): void {
    const isKnown = this.#isDirty && this.#isRecorded && !this.#isExactOnDisk;
    this.#isDirty = true;
    if (isKnown || this.isRetired) return;
    this.#descriptor();
    if (this.#isRecorded) this.#host.ledger.markInexact(this.generation);
    else this.record(false, true);
    this.#isExactOnDisk = false;
  }

  /** After the bytes `[start, end)` were written; a gap after the old end became zeros. */
  #changed(start: number, end: number): void {
    for (const range of this.missing(start, end - start)) {
      this.#present.add(range.start, range.end);
      if (this.#isRecorded) this.#host.ledger.recordArrival(this.generation, range);
    }
    this.#dirty.add(Math.min(start, this.#size), end);
    this.#size = Math.max(this.#size, end);
  }

  #clear(start: number, end: number): void {
    if (punchHole(this.#descriptor(), start, end - start)) return;
    for (let at = start; at < end; at += zeros.length) {
      this.#onDisk(() => this.#writeBytes(at, zeros.subarray(0, Math.min(zeros.length, end - at))));
    }
  }

  #arrived(range: ByteRange): void {
    this.#present.add(range.start, range.end);
    if (this.isRetired) return;
    if (this.#isRecorded) {
      this.#host.ledger.recordArrival(this.generation, range);
      if (!this.#isDirty) this.#isExactOnDisk = false;
    } else {
      this.record();
    }
  }

  #writeBytes(offset: number, data: Uint8Array): number {
    return writeWhole(this.#descriptor(), offset, data, this.#host.room);
  }

  #onDisk<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw errorOfDisk(error, this.path);
    }
  }
}
