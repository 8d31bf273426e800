import { FuseError } from '../fuse/errno.ts';
import { rootIno } from '../replica/local-inode.ts';
import type { Ino } from '../replica/local-inode.ts';
import type { LocalTree } from '../replica/local-tree.ts';
import type { ContentFile } from '../content/content-file.ts';
import type { ContentFiles } from '../content/content-files.ts';

/** A name by which the kernel knows a node. */
export interface KnownPlace {
  readonly parent: number;
  readonly name: string;
}

/**
 * What the kernel holds under one node id: an inode and, while it is open, one content of it. Usually the id is the
 * inode's number. If the content is replaced from elsewhere while it is open, the node keeps the old one for those
 * who opened it, and the next lookup gives the inode a new node.
 */
export interface Node {
  readonly id: number;
  ino: Ino;
  lookups: number;
  /** What all opens of this node read and write; held while `opens` is above 0. */
  content: ContentFile | undefined;
  opens: number;
  /** Names that were looked up; some may lead elsewhere by now. */
  places: KnownPlace[];
  /** Set while content changed elsewhere and the kernel may not know yet: its pages must not be kept on open. */
  stalePages: symbol | undefined;
  /** Read since it was last changed here, and that noted. */
  isAccessNoted: boolean;
}

/** Ids of nodes beside the inode's own lie above every inode's number. */
const freshIdMin = 2 ** 48;
const placesMax = 16;

/** The nodes the kernel knows. Each holds its inode in the tree until it is forgotten and closed. */
export class Nodes {
  readonly #tree: LocalTree;
  readonly #files: ContentFiles;
  readonly #byId = new Map<number, Node>();
  readonly #current = new Map<Ino, Node>();
  #nextFreshId = freshIdMin;

  constructor(tree: LocalTree, files: ContentFiles) {
    this.#tree = tree;
    this.#files = files;
    // The kernel never looks the root up and never forgets it.
    this.#make(rootIno, rootIno).lookups = 1;
  }

  /** The node of an id the kernel used. Throws ESTALE if it was never given. */
  node(id: number): Node {
    const node = this.#byId.get(id);
    if (node === undefined) throw new FuseError('ESTALE', `the kernel asks for node ${id}, which it forgot`);
    this.#followMove(node);
    return node;
  }

  ino(id: number): Ino {
    return this.node(id).ino;
  }

  /** The inode of a node that may be forgotten by now. */
  inoIfKnown(id: number): Ino | undefined {
    return this.#byId.has(id) ? this.ino(id) : undefined;
  }

  /** The node under which `ino` is to be told of now, if the kernel knows one. */
  known(ino: Ino): Node | undefined {
    const node = this.#current.get(ino);
    if (node === undefined) return undefined;
    this.#followMove(node);
    return node.ino === ino && !isReplaced(node) ? node : undefined;
  }

  /** The node the kernel has for an inode, even one whose content was replaced since. */
  held(ino: Ino): Node | undefined {
    return this.#current.get(ino);
  }

  /** The node for an answer that names `ino` at a place; it counts as one lookup. */
  lookedUp(ino: Ino, place: KnownPlace | undefined): Node {
    const node = this.known(ino) ?? this.#make(ino, this.#idFor(ino));
    node.lookups += 1;
    if (place !== undefined) this.addPlace(node, place);
    return node;
  }

  addPlace(node: Node, place: KnownPlace): void {
    const has = node.places.some((known) => known.parent === place.parent && known.name === place.name);
    if (!has) node.places = [...node.places.slice(-placesMax + 1), place];
  }

  forget(id: number, lookups: number): void {
    const node = this.#byId.get(id);
    if (node === undefined || id === rootIno) return;
    node.lookups -= lookups;
    this.#dropIfUnused(node);
  }

  /** One more open of `node`. Throws ESTALE if its content was replaced: the kernel then looks the name up anew. */
  open(node: Node): ContentFile {
    if (isReplaced(node)) throw new FuseError('ESTALE');
    if (node.content === undefined) node.content = this.#files.open(node.ino);
    node.opens += 1;
    return node.content;
  }

  close(node: Node): void {
    node.opens -= 1;
    if (node.opens > 0 || node.content === undefined) return;
    const content = node.content;
    node.content = undefined;
    this.#files.close(content);
    this.#dropIfUnused(node);
  }

  /** `node`, with its open content, is another inode from now on. */
  rebind(node: Node, ino: Ino): void {
    if (node.ino === ino) return;
    const before = node.ino;
    if (this.#current.get(before) === node) this.#current.delete(before);
    node.ino = ino;
    node.places = [];
    this.#current.set(ino, node);
    this.#tree.hold(ino);
    this.#release(before);
  }

  /** Content that was moved to another inode takes along those who have it open. */
  #followMove(node: Node): void {
    if (node.content !== undefined && node.content.ino !== node.ino) this.rebind(node, node.content.ino);
  }

  #idFor(ino: Ino): number {
    if (!this.#byId.has(ino)) return ino;
    this.#nextFreshId += 1;
    return this.#nextFreshId;
  }

  #make(ino: Ino, id: number): Node {
    const node: Node = {
      ...{ id, ino, lookups: 0, content: undefined, opens: 0, places: [], stalePages: undefined },
      ...{ isAccessNoted: false },
    };
    this.#byId.set(id, node);
    this.#current.set(ino, node);
    this.#tree.hold(ino);
    return node;
  }

  #dropIfUnused(node: Node): void {
    if (node.lookups > 0 || node.opens > 0) return;
    this.#byId.delete(node.id);
    if (this.#current.get(node.ino) === node) this.#current.delete(node.ino);
    this.#release(node.ino);
  }

  #release(ino: Ino): void {
    if (this.#tree.release(ino)) this.#files.forget(ino);
  }
}

function isReplaced(node: Node): boolean {
  return node.content?.isRetired === true;
}
