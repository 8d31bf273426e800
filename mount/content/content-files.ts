import { mkdirSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DriveError } from '../../protocol/errors.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { Ino, LocalInode } from '../replica/local-inode.ts';
import type { ContentMove } from '../replica/synced-tree.ts';
import { CacheTrimmer } from './cache-trimmer.ts';
import type { TrimmedFiles } from './cache-trimmer.ts';
import { CondemnedFiles } from './condemned-files.ts';
import { claimsAfterKill, claimsAfterPowerLoss, decodeClaims, isAhead } from './content-claims.ts';
import type { ContentClaims } from './content-claims.ts';
import { ContentFile } from './content-file.ts';
import type { ContentFileHost } from './content-file.ts';
import type { ContentFilesOptions, ContentTree } from './content-files-options.ts';
import { ContentLedger } from './content-ledger.ts';
import type { LedgerRow } from './content-ledger.ts';
import type { DrainableContent, DrainSource } from './content-store.ts';
import { DiskRoom } from './disk-room.ts';
import { statBlockBytes } from './disk-usage.ts';
import { ManifestMap } from './manifest-map.ts';
import { RangeSet } from './range-set.ts';
import { SettledFiles } from './settled-files.ts';
import type { SettledFile } from './settled-files.ts';
import { syncFilesystem } from './sparse-file.ts';

/** Replaced contents kept as donors of blocks for what replaced them. */
const retiredFilesMax = 64;
/** How long what no commit of the tree brings along may wait to be recorded: an arrived block, the time of a use. */
const ledgerDelayMs = 100;
/** How long a shutdown waits for the disk before it leaves clean contents to be hydrated anew after a reboot. */
const shutdownSyncMs = 5_000;
/** So much is made free when the disk is full, in at most so many pieces. */
const roomBytes = 64 * 1024 * 1024;
const roomPiecesMax = 1_024;

/**
 * The content files of one mount: at most one current file an inode, and those that were replaced while open. When they
 * take more than `cacheBytesMax` of the disk, what was used longest ago is evicted: see `CacheTrimmer`.
 */
export class ContentFiles implements DrainableContent, ContentFileHost, TrimmedFiles {
  readonly ledger: ContentLedger;
  readonly room: DiskRoom;
  readonly #options: ContentFilesOptions;
  readonly #tree: ContentTree;
  /** Current contents in use, by inode; a closed file is known to the ledger alone. */
  readonly #current = new Map<Ino, ContentFile>();
  /** Everything in memory, by generation. */
  readonly #loaded = new Map<number, ContentFile>();
  /** Replaced contents, closed, oldest first. */
  readonly #donors = new Set<ContentFile>();
  readonly #condemned: CondemnedFiles;
  readonly #settled: SettledFiles;
  #nextGeneration: number;
  #usedBytes: number;
  readonly #trimmer: CacheTrimmer;

  /** Recovers what an earlier run left; reports to `tree` what it had not noted before a crash. */
  constructor(options: ContentFilesOptions) {
    this.#options = options;
    this.#tree = options.tree;
    this.room = new DiskRoom(options.directory, () => this.#makeRoom());
    this.#trimmer = new CacheTrimmer(this, options.cacheBytesMax);
    this.#condemned = new CondemnedFiles(() => options.tree.durable());
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    const { clock, tree } = options;
    const group = tree.beforeCommits === undefined ? undefined : { clock, delayMs: ledgerDelayMs };
    this.ledger = new ContentLedger(options.directory, group);
    // The tree must never know of content that the ledger would not know of after a kill.
    tree.beforeCommits?.(() => this.ledger.commit());
    this.#settled = new SettledFiles(this.ledger);
    const isSameBoot = this.ledger.mark('boot') === options.bootId || this.ledger.mark('clean') === 'yes';
    this.ledger.setMark('clean', 'no');
    // From here on bytes change that the mark says are on the disk.
    this.ledger.flushNow();
    for (const generation of this.ledger.generationsWithArrivals()) this.#recount(generation);
    this.#usedBytes = this.ledger.totalBytes();
    this.#deleteOrphans();
    this.#nextGeneration = this.ledger.lastGeneration() + 1;
    for (const move of options.unfinishedMoves ?? []) this.move(move);
    for (const row of isSameBoot ? this.ledger.dirtyRows() : this.ledger.allRows()) this.#recover(row, isSameBoot);
    this.ledger.setMark('boot', options.bootId);
  }

  /** Bytes of the local disk in use. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The current content of `ino`, held until `close`. Throws `notFound`. */
  open(ino: Ino): ContentFile {
    const file = this.#find(ino) ?? this.#make(this.#inode(ino));
    file.handles += 1;
    return file;
  }

  /** One more holder of a file that is held already. */
  hold(file: ContentFile): void {
    file.handles += 1;
  }

  close(file: ContentFile): void {
    file.handles -= 1;
    if (file.handles > 0) return;
    file.usedMs = this.nowMs();
    this.#loaded.delete(file.generation);
    if (file.isRetired) {
      this.#donate(file);
    } else if (this.#tree.inode(file.ino) === undefined) {
      this.#current.delete(file.ino);
      this.#discard(file);
    } else {
      file.measure('ifWritten');
      file.recordIfNeeded();
      file.closeDescriptor();
      this.#current.delete(file.ino);
    }
    this.#trimmer.check();
  }

  /** The size of `ino`'s current content if that is open, which may be newer than what the tree knows. */
  openSize(ino: Ino): number | undefined {
    return this.#current.get(ino)?.size;
  }

  isOpen(ino: Ino): boolean {
    return this.#current.has(ino);
  }

  /** A file in memory or on disk by its generation, for copying blocks from; `undefined` once it is gone. Not held. */
  donor(generation: number): ContentFile | undefined {
    const loaded = this.#loaded.get(generation);
    if (loaded !== undefined) return loaded;
    for (const file of this.#donors) if (file.generation === generation) return file;
    const row = this.ledger.rowOfGeneration(generation);
    return row && this.#find(row.ino);
  }

  /** Files that hold committed versions, each told of once: see `SettledFiles`. */
  takeSettled(): Iterable<SettledFile> {
    return this.#settled.take();
  }

  /** Contents that `ino` had before, and that are still on the disk. */
  retiredOf(ino: Ino): ContentFile[] {
    const all = [...this.#loaded.values(), ...this.#donors];
    return all.filter((file) => file.isRetired && file.ino === ino);
  }

  /** Undoes a look at a file that was not held: an unheld file keeps no descriptor and no memory. */
  settleUnheld(file: ContentFile): void {
    if (file.handles > 0 || this.#donors.has(file)) return;
    file.closeDescriptor();
    this.#loaded.delete(file.generation);
    if (this.#current.get(file.ino) === file) this.#current.delete(file.ino);
  }

  /** The inode is gone for good: so is its content, once it is closed. */
  forget(ino: Ino): void {
    const file = this.#find(ino);
    if (file === undefined) return;
    if (file.handles > 0) return;
    this.#current.delete(ino);
    this.#loaded.delete(file.generation);
    this.#discard(file);
  }

  /** The replaced content `file` becomes the dirty content of `ino`: what was written through an old handle lives on. */
  adopt(file: ContentFile, ino: Ino): void {
    this.#drop(this.#find(ino));
    file.adopt(ino);
    this.#current.set(ino, file);
  }

  openForDrain(ino: Ino): DrainSource | undefined {
    const inode = this.#tree.inode(ino);
    if (inode === undefined || inode.kind !== 'file') return undefined;
    const file = this.open(ino);
    // A drain's thread reads the content file itself, where what is evicted reads as zeros.
    file.keepers += 1;
    file.startDrain(this.#tree.contentSequence(ino));
    // Content of another inode has no base under this one: all of it is news.
    const isWhollyDirty = file.source.inode !== inode.id;
    const { dirtyRanges } = file;
    let isOpen = true;
    const { hydrate } = this.#options;
    return {
      size: file.size,
      dirtyRanges: isWhollyDirty ? new RangeSet(file.size > 0 ? [0, file.size] : []).ranges() : dirtyRanges,
      dataRanges: file.dataRanges(0),
      path: file.path,
      isLocal: (offset, length) => file.isReadable(offset, length),
      read: async (offset, length) => {
        if (!file.isReadable(offset, length)) await hydrate(file, offset, length);
        const target = new Uint8Array(length);
        if (file.read(offset, target) === length) return target;
        throw new DriveError('conflict', `inode ${ino} was cut while it was read for upload`);
      },
      copiedFrom: async (isBaseKnown) => {
        const missing = isWhollyDirty || !isBaseKnown ? file.missing(0, file.size) : [];
        const [gap] = missing;
        if (gap === undefined) return undefined;
        if (file.map === undefined) await hydrate(file, gap.start, 1);
        // Of its own base only what is not here is taken on trust.
        const local = isWhollyDirty ? dirtyRanges : new RangeSet(file.size > 0 ? [0, file.size] : []).without(missing);
        return file.map && { base: file.map.manifest, dirtyRanges: local };
      },
      close: async () => {
        if (!isOpen) return;
        isOpen = false;
        file.keepers -= 1;
        this.close(file);
      },
    };
  }

  drained(ino: Ino, sequence: number, manifest: Manifest): void {
    const inode = this.#tree.inode(ino);
    const file = this.#find(ino);
    if (inode === undefined || file === undefined) return;
    const isLatest = this.#tree.contentSequence(ino) === sequence;
    file.settle(sequence, isLatest, { inode: inode.id, version: inode.version }, new ManifestMap(manifest));
    this.#settled.add({ generation: file.generation, ino, sourceVersion: inode.version });
    this.settleUnheld(file);
    this.#trimmer.check();
  }

  replaced(ino: Ino): void {
    this.#drop(this.#find(ino));
  }

  move(move: ContentMove): void {
    if (move.id <= Number(this.ledger.mark('lastMove') ?? 0)) return;
    this.ledger.together(() => {
      this.#move(move);
      this.ledger.setMark('lastMove', String(move.id));
    });
    this.ledger.flushNow();
  }

  #move({ from, to }: ContentMove): void {
    const file = this.#find(from);
    if (file === undefined) return;
    this.#drop(this.#find(to));
    this.#current.delete(from);
    const inode = this.#tree.inode(to);
    if (inode !== undefined && inode.version !== 0) {
      // What was not changed since is committed under the new inode, at the same offsets.
      file.rebase({ inode: inode.id, version: inode.version }, !inode.contentDirty);
    }
    file.ino = to;
    file.record();
    this.#current.set(to, file);
    this.settleUnheld(file);
  }

  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  grew(bytes: number): void {
    this.#usedBytes += bytes;
    if (bytes > 0) this.#trimmer.grew();
  }

  #makeRoom(): boolean {
    const before = this.#usedBytes;
    this.#trimmer.trim(Math.max(0, before - roomBytes), roomPiecesMax);
    return this.#usedBytes < before;
  }

  /** Evicts what may go, used longest ago first, until at most `bytesMax` are used or nothing is left. */
  evict(bytesMax: number): void {
    this.#trimmer.trim(bytesMax);
  }

  /** Brings the files down to `cacheBytesMax`, as far as they can be. */
  trimmed(): Promise<void> {
    this.#trimmer.check();
    return this.#trimmer.settled();
  }

  /** Evicts all that may go of one file, pinned or not; returns how many bytes of disk that freed, or why it may not. */
  evictFile(ino: Ino): number | 'dirty' | 'inUse' {
    const file = this.#find(ino);
    if (file === undefined) return 0;
    const before = file.localBytes;
    if (file.isDirty) {
      this.settleUnheld(file);
      return 'dirty';
    }
    if (file.handles === 0) {
      this.deleteClosed(file);
      return before;
    }
    if (file.keepers > 0) return 'inUse';
    file.evict(file.evictable().map(({ segment }) => segment));
    return before - file.localBytes;
  }

  isPinned(ino: Ino): boolean {
    return this.#options.isPinned?.(ino) === true;
  }

  openFiles(): Iterable<ContentFile> {
    return this.#current.values();
  }

  loadClosed(row: LedgerRow): ContentFile {
    return this.#load(row, this.#claimsOf(row) ?? decodeClaims(row.claims));
  }

  deleteClosed(file: ContentFile): void {
    file.delete();
    this.#loaded.delete(file.generation);
    if (this.#current.get(file.ino) === file) this.#current.delete(file.ino);
  }

  deleteDonor(): boolean {
    const [oldest] = this.#donors;
    if (oldest === undefined) return false;
    this.#donors.delete(oldest);
    oldest.delete();
    return true;
  }

  /** Data and record of `ino`'s content durable on the local disk. */
  async sync(ino: Ino): Promise<void> {
    const file = this.open(ino);
    try {
      await file.sync();
    } finally {
      this.close(file);
    }
  }

  /** Records everything and closes the files. After it nothing else may be called. */
  async shutdown(): Promise<void> {
    await this.#trimmer.close();
    await this.#condemned.settled();
    for (const file of this.#loaded.values()) {
      if (file.isRetired) file.delete();
      else {
        file.measure('ifWritten');
        file.recordIfNeeded();
      }
      file.closeDescriptor();
    }
    for (const file of this.#donors) file.delete();
    // Only what is known to be on the disk may be believed after a reboot.
    if (await syncFilesystem(this.#options.directory, shutdownSyncMs)) this.ledger.setMark('clean', 'yes');
    await this.ledger.flush();
    this.ledger.close();
  }

  #inode(ino: Ino): LocalInode {
    const inode = this.#tree.inode(ino);
    if (inode === undefined) throw new DriveError('notFound', `there is no inode ${ino} any more`);
    return inode;
  }

  /** The current content as it is in memory or in the ledger. */
  #find(ino: Ino): ContentFile | undefined {
    const known = this.#current.get(ino);
    if (known !== undefined) return known;
    const row = this.ledger.row(ino);
    if (row === undefined) return undefined;
    const inode = this.#tree.inode(ino);
    if (inode !== undefined && !inode.contentDirty && !row.isDirty && row.sourceVersion !== inode.version) {
      // The head moved: these bytes are of another version, and good for blocks that the new one still has.
      this.#drop(this.loadClosed(row));
      return undefined;
    }
    const claims = this.#claimsOf(row);
    if (claims === undefined) {
      this.ledger.delete(row.generation);
      return undefined;
    }
    const file = this.#load(isAhead(row, inode) ? { ...row, isDirty: true, isExact: false } : row, claims);
    this.#current.set(ino, file);
    return file;
  }

  /** The claims of a row written by a process on this boot; `undefined` if the content file itself is missing. */
  #claimsOf(row: LedgerRow): ContentClaims | undefined {
    const recorded = decodeClaims(row.claims);
    const size = statSync(this.#path(row.generation), { throwIfNoEntry: false })?.size;
    if (size === undefined) return undefined;
    const arrivals = this.ledger.arrivals(row.generation);
    if (!row.isExact || isAhead(row, this.#tree.inode(row.ino))) return claimsAfterKill(recorded, arrivals, size);
    for (const range of arrivals) recorded.present.add(range.start, Math.min(range.end, recorded.baseEnd));
    return recorded;
  }

  #load(row: LedgerRow, claims: ContentClaims): ContentFile {
    const { generation, ino } = row;
    const source = { inode: row.sourceInode, version: row.sourceVersion };
    const identity = { generation, path: this.#path(generation), ino, source };
    const file = new ContentFile(this, identity, claims, row);
    this.#loaded.set(generation, file);
    return file;
  }

  /** A content file for a version of which nothing is here yet. */
  #make(inode: LocalInode): ContentFile {
    const generation = this.#nextGeneration;
    this.#nextGeneration += 1;
    const { ino, size } = inode;
    const source = { inode: inode.id, version: inode.version };
    const claims = { size, baseEnd: size, present: new RangeSet(), dirty: new RangeSet() };
    const file = new ContentFile(this, { generation, path: this.#path(generation), ino, source }, claims, undefined);
    this.#loaded.set(generation, file);
    this.#current.set(ino, file);
    return file;
  }

  /** `file` is not its inode's content any more: deleted when nobody has it open, and kept a while as a donor. */
  #drop(file: ContentFile | undefined): void {
    if (file === undefined) return;
    this.#current.delete(file.ino);
    file.retire();
    if (file.handles === 0) {
      this.#loaded.delete(file.generation);
      this.#donate(file);
    }
  }

  #donate(file: ContentFile): void {
    file.closeDescriptor();
    this.#donors.add(file);
    for (const oldest of this.#donors) {
      if (this.#donors.size <= retiredFilesMax) break;
      this.#donors.delete(oldest);
      oldest.delete();
    }
  }

  /** The inode is gone. What only this content has is kept until that is sure; nobody waits for the rest to go either. */
  #discard(file: ContentFile): void {
    if (file.isDirty || this.#condemned.hasRoom) this.#condemned.add(file);
    else file.delete();
  }

  /** Files named by their generation, spread over 256 directories. */
  #path(generation: number): string {
    const branch = (generation % 256).toString(16).padStart(2, '0');
    return join(this.#options.directory, branch, String(generation));
  }

  /** Counts anew what a file takes into which bytes came that an earlier run did not count. */
  #recount(generation: number): void {
    const blocks = statSync(this.#path(generation), { throwIfNoEntry: false })?.blocks ?? 0;
    this.ledger.measured(generation, blocks * statBlockBytes);
  }

  /** Deletes content files that no row claims: replaced ones that were open. */
  #deleteOrphans(): void {
    const known = this.ledger.generations();
    for (const branch of readdirSync(this.#options.directory)) {
      if (!/^[0-9a-f]{2}$/.test(branch)) continue;
      for (const name of readdirSync(join(this.#options.directory, branch))) {
        const generation = Number(name);
        if (!known.has(generation)) unlinkSync(join(this.#options.directory, branch, name));
      }
    }
  }

  /** Brings a row that an earlier process left in line with the tree and the disk. */
  #recover(row: LedgerRow, isSameBoot: boolean): void {
    const inode = this.#tree.inode(row.ino);
    const claims = isSameBoot
      ? this.#claimsOf(row)
      : row.durableClaims && claimsAfterPowerLoss(decodeClaims(row.durableClaims));
    const isStale = inode === undefined || (!inode.contentDirty && inode.version !== row.sourceVersion);
    const isCleanAfterPowerLoss = !isSameBoot && inode?.contentDirty !== true;
    if (!claims || isStale || isCleanAfterPowerLoss) {
      this.deleteClosed(this.loadClosed(row));
    } else {
      const ownVersion = inode.id === row.sourceInode ? inode.version : row.sourceVersion;
      const sourceVersion = isAhead(row, inode) ? row.sourceVersion : ownVersion;
      const file = this.#load({ ...row, isDirty: true, sourceVersion }, claims);
      file.measure('always');
      file.record();
      file.closeDescriptor();
      this.#loaded.delete(row.generation);
    }
    this.#reportSize(row.ino);
  }

  /** What the tree believes of a file's size must be what its content is. */
  #reportSize(ino: Ino): void {
    const inode = this.#tree.inode(ino);
    if (inode === undefined) return;
    const row = this.ledger.row(ino);
    const size = row === undefined ? inode.size : decodeClaims(row.claims).size;
    if (row !== undefined && (size !== inode.size || !inode.contentDirty)) {
      this.#tree.contentChanged(ino, size, this.#options.clock.nowNs());
    }
  }
}
