import Database from 'better-sqlite3';
import { InProcessPipeline } from '../../mount/sync/block-pipeline.ts';
import { SyncEngine } from '../../mount/sync/engine.ts';
import type { Ino } from '../../mount/replica/local-inode.ts';
import { openReplica } from '../../mount/replica/replica.ts';
import type { Replica } from '../../mount/replica/replica.ts';
import type { Caller } from '../../protocol/accounts.ts';
import type { NamespaceId } from '../../protocol/ids.ts';
import type { MetadataStore } from '../../protocol/metadata-store.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedBlocks } from './simulated-blocks.ts';
import { SimulatedContent } from './simulated-content.ts';
import type { SimulatedFile } from './simulated-content.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface SimulatedServer {
  readonly store: MetadataStore;
  readonly blocks: SimulatedBlocks;
  readonly caller: Caller;
  readonly namespace: NamespaceId;
}

/** One mount without a kernel: the real replica and engine over a bad network, which can be killed and started again. */
export class SimulatedClient {
  readonly name: string;
  network: SimulatedNetwork;
  replica: Replica;
  content: SimulatedContent;
  engine: SyncEngine;
  /** Called with each file whose content was acknowledged. */
  onDrained: (ino: Ino) => void = () => undefined;
  readonly #server: SimulatedServer;
  readonly #time: VirtualTime;
  readonly #random: SeededRandom;
  readonly #database: Database.Database;
  readonly #files = new Map<Ino, SimulatedFile>();
  readonly #forgotten = new Map<Ino, SimulatedFile>();
  #unsubscribe: () => void = () => undefined;

  constructor(name: string, server: SimulatedServer, time: VirtualTime, random: SeededRandom) {
    this.name = name;
    this.#server = server;
    this.#time = time;
    this.#random = random;
    this.#database = new Database(':memory:');
    ({ network: this.network, replica: this.replica, content: this.content, engine: this.engine } = this.#boot());
  }

  /** Ends the process without warning and starts another: what was not committed to the local database is lost. */
  killAndRestart(): void {
    const { isCut, lossProbability, refuses } = this.network;
    this.network.isDead = true;
    this.#unsubscribe();
    void this.engine.stop().catch(() => undefined);
    if (this.#database.inTransaction) this.#database.exec('rollback');
    ({ network: this.network, replica: this.replica, content: this.content, engine: this.engine } = this.#boot());
    this.network.isCut = isCut;
    this.network.lossProbability = lossProbability;
    this.network.refuses = refuses;
  }

  connect(isConnected: boolean): void {
    this.network.isCut = !isConnected;
    this.engine.connected(isConnected);
    if (isConnected) this.engine.pullDue();
  }

  /** What is dirty, for the report of a failure. */
  describeDirt(): string[] {
    const places = this.#database.prepare('select * from dirty_places order by seq').all();
    const inodes = this.#database
      .prepare(
        `select d.*, i.links, i.parent, i.kind, i.known, i.sequence, i.content_dirty
         from dirty_inodes d join inodes i using (ino)`,
      )
      .all();
    const dentries = this.#database.prepare('select parent, name, ino from dentries order by cookie').all();
    return [...places, ...inodes, ...dentries].map((row) => `  ${this.name}: ${JSON.stringify(row)}`);
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.engine.stop();
    await this.replica.close();
  }

  #boot(): Pick<SimulatedClient, 'network' | 'replica' | 'content' | 'engine'> {
    const { store, blocks: serverBlocks, caller, namespace } = this.#server;
    const clock = this.#time;
    const network = new SimulatedNetwork(clock, this.#random.fork());
    const groupCommit = { delayMs: 20, changesMax: 1 + this.#random.below(20) };
    const randomness = this.#random.fork();
    const replica = openReplica({ path: this.#database, namespace, clock, randomness, groupCommit });
    const metadata = network.metadata(store.as(caller));
    const blocks = network.blocks(serverBlocks.as(caller));
    const onDrained = (ino: Ino) => this.onDrained(ino);
    const kept = { files: this.#files, forgotten: this.#forgotten };
    const content = new SimulatedContent({ replica, namespace, metadata, blocks, ...kept, onDrained });
    content.recover(() => clock.nowNs());
    const engine = new SyncEngine({
      ...{ namespace, clock, randomness: this.#random.fork(), metadata, blocks, tree: replica, content },
      pipeline: new InProcessPipeline(),
      invalidate: async () => undefined,
      timings: { operationsMax: this.#random.pick([2, 7, 1_000]) ?? 7 },
    });
    this.#unsubscribe = this.#listen(engine, network);
    engine.start();
    return { network, replica, content, engine };
  }

  /** Notifications come late, twice, or not at all. */
  #listen(engine: SyncEngine, network: SimulatedNetwork): () => void {
    return this.#server.store.notifications.subscribe((notification) => {
      const copies = this.#random.pick([0, 1, 1, 1, 2]) ?? 1;
      for (let i = 0; i < copies; i += 1) {
        this.#time.at(1 + this.#random.below(50), () => {
          if (!network.isCut && !network.isDead) engine.notified(notification);
        });
      }
    });
  }
}
