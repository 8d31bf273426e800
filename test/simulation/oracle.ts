import type { Ino } from '../../mount/replica/local-inode.ts';
import type { InodeId, Version } from '../../protocol/ids.ts';
import type { SimulatedClient, SimulatedServer } from './simulated-client.ts';

export const lineBytes = 16;

/** One written line: its token is in no other. */
export function lineOf(token: number): Buffer {
  return Buffer.from(`token ${String(token).padStart(8, '0')}\n\n`);
}

export function tokensIn(bytes: Uint8Array): Set<number> {
  const text = Buffer.from(bytes).toString('latin1');
  return new Set([...text.matchAll(/token (\d{8})/g)].map((match) => Number(match[1])));
}

interface Written {
  readonly client: string;
  /** Acknowledged to the user: made durable here or committed on the server. */
  isSafe: boolean;
  /** Taken away by somebody who saw it, or lost with a kill before it was safe. */
  isExcused: boolean;
}

/**
 * What must be found in the end. Each write carries a token of its own. A token is owed once it was acknowledged
 * (`durable` resolved after it on the client that wrote it, or its content was drained) and as long as nobody took it
 * away knowingly: overwrote, truncated or removed it in a file in which that client saw it at that moment. Removing one
 * of several names counts, as somebody else may remove the others at the same time. A token
 * that was not acknowledged is owed too unless its client was killed and came back without it.
 */
export class Oracle {
  readonly #written = new Map<number, Written>();
  readonly #server: SimulatedServer;
  readonly #versions = new Map<string, Buffer>();

  constructor(server: SimulatedServer) {
    this.#server = server;
  }

  newToken(client: SimulatedClient): number {
    const token = this.#written.size + 1;
    this.#written.set(token, { client: client.name, isSafe: false, isExcused: false });
    return token;
  }

  /** The bytes that `client` would read of a file now, were the server at hand. */
  async bytesOf(client: SimulatedClient, ino: Ino): Promise<Buffer> {
    const inode = client.replica.inode(ino);
    if (inode === undefined) return Buffer.alloc(0);
    const file = client.content.file(ino);
    if (file === undefined) return this.versionBytes(inode.id, inode.version);
    const isWhole = file.bytes.length === 0 || file.present.covers(0, file.bytes.length);
    if (file.source === undefined || isWhole) return Buffer.from(file.bytes);
    const base = await this.versionBytes(file.source.inode, file.source.version);
    return Buffer.from(file.bytes.map((byte, at) => (file.present.has(at) ? byte : (base[at] ?? 0))));
  }

  async versionBytes(inode: InodeId, version: Version): Promise<Buffer> {
    if (version === 0) return Buffer.alloc(0);
    const key = `${inode}/${version}`;
    const known = this.#versions.get(key);
    if (known !== undefined) return known;
    const { store, caller, namespace, blocks } = this.#server;
    const bytes = blocks.assemble(await store.as(caller).manifest(namespace, inode, version));
    this.#versions.set(key, bytes);
    return bytes;
  }

  /** These tokens were seen by who took them away. */
  removed(tokens: Iterable<number>): void {
    for (const token of tokens) this.#excuse(token);
  }

  /** All that the client has written up to now is on its disk. */
  durable(client: SimulatedClient): void {
    for (const written of this.#written.values()) if (written.client === client.name) written.isSafe = true;
  }

  drained(tokens: Iterable<number>): void {
    for (const token of tokens) {
      const written = this.#written.get(token);
      if (written !== undefined) written.isSafe = true;
    }
  }

  /** The client was killed: what it had not made safe may be gone. */
  killed(client: SimulatedClient, survivors: ReadonlySet<number>): void {
    for (const [token, written] of this.#written) {
      if (written.client === client.name && !written.isSafe && !survivors.has(token)) written.isExcused = true;
    }
  }

  /** The tokens that are owed and not among `found`. */
  missing(found: ReadonlySet<number>): number[] {
    return [...this.#written].filter(([token, each]) => !each.isExcused && !found.has(token)).map(([token]) => token);
  }

  get writtenCount(): number {
    return this.#written.size;
  }

  #excuse(token: number): void {
    const written = this.#written.get(token);
    if (written !== undefined) written.isExcused = true;
  }
}
