import { rootIno } from '../../mount/replica/local-inode.ts';
import type { Ino, LocalEntry, LocalInode } from '../../mount/replica/local-inode.ts';
import { isDriveError } from '../../protocol/errors.ts';
import { lineBytes, lineOf, tokensIn } from './oracle.ts';
import type { Oracle } from './oracle.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedClient } from './simulated-client.ts';
import type { VirtualTime } from './virtual-time.ts';

interface Spot {
  readonly parent: Ino;
  readonly entry: LocalEntry;
}

const names = ['a', 'b', 'c', 'd.txt', 'e'];

/** Somebody who works on one client: random changes, each told to the oracle. */
export class User {
  readonly #client: SimulatedClient;
  readonly #random: SeededRandom;
  readonly #time: VirtualTime;
  readonly #oracle: Oracle;
  readonly #log: (line: string) => void;

  constructor(
    client: SimulatedClient,
    tools: { readonly random: SeededRandom; readonly time: VirtualTime; readonly oracle: Oracle },
    log: (line: string) => void,
  ) {
    this.#client = client;
    this.#random = tools.random;
    this.#time = tools.time;
    this.#oracle = tools.oracle;
    this.#log = log;
  }

  /** One change, or none if the tree has no place for the one that was drawn. */
  async act(): Promise<void> {
    const actions: readonly (readonly [number, string, () => Promise<void> | void])[] = [
      [6, 'create', () => this.#create()],
      [3, 'mkdir', () => this.#makeDirectory()],
      [6, 'write', () => this.#write()],
      [3, 'truncate', () => this.#truncate()],
      [4, 'rename', () => this.#rename('replace')],
      [2, 'exchange', () => this.#rename('exchange')],
      [4, 'save', () => this.#save()],
      [3, 'unlink', () => this.#unlink()],
      [2, 'rmdir', () => this.#removeDirectory()],
      [1, 'clear', () => this.#removeTree()],
      [2, 'link', () => this.#link()],
      [2, 'chmod', () => this.#chmod()],
      [2, 'xattr', () => this.#xattr()],
      [1, 'symlink', () => this.#symlink()],
      [3, 'fsync', () => this.#durable()],
    ];
    let at = this.#random.below(actions.reduce((sum, [weight]) => sum + weight, 0));
    const action = actions.find(([weight]) => (at -= weight) < 0);
    if (action === undefined) return;
    try {
      await action[2]();
      this.#client.engine.changed();
    } catch (error) {
      if (!isDriveError(error)) throw error;
      this.#log(`${this.#client.name} ${action[1]} failed: ${error.code}`);
    }
  }

  #spots(filter: (inode: LocalInode) => boolean): Spot[] {
    const found: Spot[] = [];
    const walk = (parent: Ino) => {
      for (const entry of this.#client.replica.list(parent, 0, 1_000)) {
        if (filter(entry.inode)) found.push({ parent, entry });
        if (entry.inode.kind === 'directory') walk(entry.inode.ino);
      }
    };
    walk(rootIno);
    return found;
  }

  #anyFile(): Spot | undefined {
    return this.#random.pick(this.#spots((inode) => inode.kind === 'file'));
  }

  #anyDirectory(): Ino {
    const directories = this.#spots((inode) => inode.kind === 'directory').map((spot) => spot.entry.inode.ino);
    return this.#random.pick([rootIno, ...directories]) ?? rootIno;
  }

  #anyName(): string {
    return this.#random.pick(names) ?? 'a';
  }

  #newInode(kind: LocalInode['kind']) {
    return { kind, mode: 0o644, uid: 1_000, gid: 1_000, rdev: 0, target: kind === 'symlink' ? 'to/there' : null };
  }

  #note(what: string): void {
    this.#log(`${this.#client.name} ${what}`);
  }

  #create(): void {
    const [parent, name] = [this.#anyDirectory(), this.#anyName()];
    const { ino } = this.#client.replica.create(parent, name, this.#newInode('file'), this.#time.nowNs());
    const token = this.#oracle.newToken(this.#client);
    this.#client.content.write(ino, 0, lineOf(token), this.#time.nowNs());
    this.#note(`creates ${parent}/${name} as ${ino} with ${token}`);
    this.#close(ino);
  }

  #makeDirectory(): void {
    const [parent, name] = [this.#anyDirectory(), this.#anyName()];
    const { ino } = this.#client.replica.create(parent, name, this.#newInode('directory'), this.#time.nowNs());
    this.#note(`makes folder ${parent}/${name} as ${ino}`);
  }

  #symlink(): void {
    const [parent, name] = [this.#anyDirectory(), this.#anyName()];
    this.#client.replica.create(parent, name, this.#newInode('symlink'), this.#time.nowNs());
    this.#note(`makes symlink ${parent}/${name}`);
  }

  /** Overwrites one line or appends one. */
  async #write(): Promise<void> {
    const spot = this.#anyFile();
    if (spot === undefined) return;
    const { ino } = spot.entry.inode;
    const size = this.#client.content.file(ino)?.bytes.length ?? spot.entry.inode.size;
    const offset = lineBytes * this.#random.below(Math.floor(size / lineBytes) + 1);
    const before = await this.#oracle.bytesOf(this.#client, ino);
    if (this.#client.replica.inode(ino) === undefined) return;
    const token = this.#oracle.newToken(this.#client);
    this.#client.content.write(ino, offset, lineOf(token), this.#time.nowNs());
    this.#oracle.removed(tokensIn(before.subarray(offset, offset + lineBytes)));
    this.#note(`writes ${token} to ${ino} at ${offset}`);
    this.#close(ino);
  }

  async #truncate(): Promise<void> {
    const spot = this.#anyFile();
    if (spot === undefined) return;
    const { ino } = spot.entry.inode;
    const before = await this.#oracle.bytesOf(this.#client, ino);
    if (this.#client.replica.inode(ino) === undefined) return;
    const size = lineBytes * this.#random.below(Math.floor(before.length / lineBytes) + 2);
    this.#client.content.truncate(ino, size, this.#time.nowNs());
    this.#oracle.removed(tokensIn(before.subarray(size)));
    this.#note(`truncates ${ino} to ${size}`);
    this.#close(ino);
  }

  async #rename(mode: 'replace' | 'exchange'): Promise<void> {
    const spots = this.#spots(() => true);
    const from = this.#random.pick(spots);
    const other = this.#random.pick(spots);
    if (from === undefined || other === undefined) return;
    const isOverOther = mode === 'exchange' || this.#random.chance(0.5);
    const to = isOverOther
      ? { parent: other.parent, name: other.entry.name }
      : { parent: this.#anyDirectory(), name: this.#anyName() };
    await this.#renameOver({ parent: from.parent, name: from.entry.name }, to, mode);
  }

  async #renameOver(
    from: { readonly parent: Ino; readonly name: string },
    to: { readonly parent: Ino; readonly name: string },
    mode: 'replace' | 'exchange',
  ): Promise<void> {
    const target = this.#client.replica.lookup(to.parent, to.name);
    const before = target?.kind === 'file' ? await this.#oracle.bytesOf(this.#client, target.ino) : Buffer.alloc(0);
    const replaced = this.#client.replica.rename(from, to, mode, this.#time.nowNs());
    this.#note(`${mode}s ${from.parent}/${from.name} -> ${to.parent}/${to.name}`);
    if (replaced !== undefined && replaced.ino === target?.ino) this.#oracle.removed(tokensIn(before));
    if (replaced?.nlink !== 0) return;
    this.#client.content.forget(replaced.ino);
  }

  /** As editors save: a new file is written beside and renamed over the old one. */
  async #save(): Promise<void> {
    const spot = this.#anyFile();
    if (spot === undefined) return;
    const { parent } = spot;
    const { ino } = this.#client.replica.create(parent, '.save~', this.#newInode('file'), this.#time.nowNs());
    const token = this.#oracle.newToken(this.#client);
    this.#client.content.write(ino, 0, lineOf(token), this.#time.nowNs());
    this.#note(`saves ${parent}/${spot.entry.name} as ${ino} with ${token}`);
    this.#close(ino);
    await this.#renameOver({ parent, name: '.save~' }, { parent, name: spot.entry.name }, 'replace');
  }

  async #unlink(): Promise<void> {
    const spot = this.#random.pick(this.#spots((inode) => inode.kind !== 'directory'));
    if (spot !== undefined) await this.#unlinkSpot(spot);
  }

  async #unlinkSpot({ parent, entry }: Spot): Promise<void> {
    const { ino } = entry.inode;
    const before = entry.inode.kind === 'file' ? await this.#oracle.bytesOf(this.#client, ino) : Buffer.alloc(0);
    if (this.#client.replica.lookup(parent, entry.name)?.ino !== ino) return;
    const after = this.#client.replica.unlink(parent, entry.name, this.#time.nowNs());
    this.#note(`unlinks ${parent}/${entry.name} of ${ino}`);
    this.#oracle.removed(tokensIn(before));
    if (after.nlink > 0) return;
    this.#client.content.forget(ino);
  }

  #removeDirectory(): void {
    const spot = this.#random.pick(this.#spots((inode) => inode.kind === 'directory'));
    if (spot === undefined) return;
    this.#client.replica.removeDirectory(spot.parent, spot.entry.name, this.#time.nowNs());
    this.#note(`removes folder ${spot.parent}/${spot.entry.name}`);
  }

  /** rm -rf of one folder. */
  async #removeTree(): Promise<void> {
    const top = this.#random.pick(this.#spots((inode) => inode.kind === 'directory'));
    if (top === undefined) return;
    const clear = async (directory: Ino): Promise<void> => {
      for (const entry of this.#client.replica.list(directory, 0, 1_000)) {
        if (entry.inode.kind !== 'directory') await this.#unlinkSpot({ parent: directory, entry });
        else {
          await clear(entry.inode.ino);
          this.#client.replica.removeDirectory(directory, entry.name, this.#time.nowNs());
        }
      }
    };
    await clear(top.entry.inode.ino);
    this.#client.replica.removeDirectory(top.parent, top.entry.name, this.#time.nowNs());
    this.#note(`clears folder ${top.parent}/${top.entry.name}`);
  }

  #link(): void {
    const spot = this.#random.pick(this.#spots((inode) => inode.kind !== 'directory'));
    if (spot === undefined) return;
    const [parent, name] = [this.#anyDirectory(), this.#anyName()];
    this.#client.replica.link(spot.entry.inode.ino, parent, name, this.#time.nowNs());
    this.#note(`links ${spot.entry.inode.ino} at ${parent}/${name}`);
  }

  #chmod(): void {
    const spot = this.#random.pick(this.#spots(() => true));
    if (spot === undefined) return;
    const mode = this.#random.below(0o1000);
    this.#client.replica.setAttributes(spot.entry.inode.ino, { mode }, this.#time.nowNs());
    this.#note(`sets mode ${mode} of ${spot.entry.inode.ino}`);
  }

  #xattr(): void {
    const spot = this.#random.pick(this.#spots(() => true));
    if (spot === undefined) return;
    const { ino } = spot.entry.inode;
    const name = `user.${this.#anyName()}`;
    if (this.#random.chance(0.3)) this.#client.replica.removeXattr(ino, name, this.#time.nowNs());
    else this.#client.replica.setXattr(ino, name, this.#random.bytes(4), 'any', this.#time.nowNs());
    this.#note(`sets xattr ${name} of ${ino}`);
  }

  async #durable(): Promise<void> {
    await this.#client.replica.durable();
    this.#oracle.durable(this.#client);
    this.#note('makes durable');
  }

  #close(ino: Ino): void {
    if (this.#random.chance(0.8)) this.#client.engine.contentClosed(ino);
  }
}
