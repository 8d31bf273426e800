import { createHash } from 'node:crypto';
import { openMetadata } from '../../metadata/open.ts';
import { dumpClient, dumpServer } from './tree-dump.ts';
import { Oracle, tokensIn } from './oracle.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedBlocks } from './simulated-blocks.ts';
import { SimulatedClient } from './simulated-client.ts';
import type { SimulatedServer } from './simulated-client.ts';
import { User } from './user.ts';
import { VirtualTime } from './virtual-time.ts';

export interface SimulationResult {
  /** Of everything that happened, in order. */
  readonly logHash: string;
  readonly log: readonly string[];
  /** Contents written, and how many conflicted copies there are in the end. */
  readonly written: number;
  readonly conflicts: number;
}

/** A run that ended wrongly, with what led to it. */
export class SimulationFailure extends Error {
  readonly log: readonly string[];

  constructor(seed: number, message: string, log: readonly string[]) {
    super(`seed ${seed}: ${message}`);
    this.name = 'SimulationFailure';
    this.log = log;
  }
}

/** What goes wrong in a run besides lost messages, cut connections and killed clients. */
export interface SimulatedWorld {
  /** The server takes no change of some inodes from some clients, as beyond a quota. */
  readonly refusals: boolean;
}

const clientNames = ['ada', 'ben', 'cyd'];

/** One run: three clients, one server, and everything that may go wrong between them. Throws `SimulationFailure`. */
export async function simulate(seed: number, world: SimulatedWorld = { refusals: false }): Promise<SimulationResult> {
  const log: string[] = [];
  const time = new VirtualTime();
  const random = new SeededRandom(seed);
  const server = await openServer(time, random.fork());
  const write = (line: string) => log.push(`${time.nowMs() % 1_000_000_000} ${line}`);
  const clients = clientNames.map((name) => new SimulatedClient(name, server, time, random.fork()));
  try {
    const oracle = new Oracle(server);
    server.store.notifications.subscribe(({ cursor }) => write(`server is at ${cursor}`));
    await time.run(live(clients, { time, random, oracle, world }, write));
    await time.run(heal(clients, time));
    const conflicts = await check(clients, server, oracle, write);
    const logHash = createHash('sha256').update(log.join('\n')).digest('hex');
    return { logHash, log, written: oracle.writtenCount, conflicts };
  } catch (error) {
    if (error instanceof SimulationFailure) throw error;
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const dirt = clients.flatMap((client) => client.describeDirt());
    throw new SimulationFailure(seed, [message, ...dirt].join('\n'), log);
  } finally {
    await time.run(Promise.allSettled(clients.map((client) => client.stop())));
    await server.store.close();
  }
}

async function openServer(time: VirtualTime, randomness: SeededRandom): Promise<SimulatedServer> {
  const store = await openMetadata('sqlite::memory:', { clock: time, randomness }, { passwordCost: 2 });
  const { namespace } = await store.accounts.createUser('ada', 'a password of no worth');
  const caller = await store.accounts.verifyPassword('ada', 'a password of no worth');
  return { store, blocks: new SimulatedBlocks(store, { clock: time, randomness }), caller, namespace };
}

interface Tools {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly oracle: Oracle;
  readonly world: SimulatedWorld;
}

async function live(clients: readonly SimulatedClient[], tools: Tools, log: (line: string) => void): Promise<void> {
  await Promise.all(
    clients.map(async (client) => {
      const random = tools.random.fork();
      const user = new User(client, { ...tools, random: random.fork() }, log);
      client.network.lossProbability = random.pick([0, 0.05, 0.2]) ?? 0;
      if (tools.world.refusals) {
        const refusedIds = random.pick(['', '', '0', '0123', '02468ace']) ?? '';
        client.network.refuses = (inode) => refusedIds.includes(inode.slice(-1));
      }
      client.onDrained = (ino) => {
        const file = client.content.file(ino);
        if (file !== undefined && file.dirty.isEmpty) tools.oracle.drained(tokensIn(file.bytes));
      };
      for (let step = 10 + random.below(30); step > 0; step -= 1) {
        await tools.time.sleep(random.chance(0.3) ? random.below(400) : random.below(15));
        if (random.chance(0.06)) {
          client.connect(client.network.isCut);
          log(`${client.name} is ${client.network.isCut ? 'cut off' : 'connected'}`);
        }
        if (random.chance(0.03)) await kill(client, tools.oracle, log);
        await user.act();
      }
    }),
  );
}

async function kill(client: SimulatedClient, oracle: Oracle, log: (line: string) => void): Promise<void> {
  client.killAndRestart();
  const survivors = tokensIn(Buffer.from((await dumpClient(client, oracle)).join('\n')));
  oracle.killed(client, survivors);
  log(`${client.name} is killed and comes back`);
}

async function heal(clients: readonly SimulatedClient[], time: VirtualTime): Promise<void> {
  for (const client of clients) {
    client.network.lossProbability = 0;
    client.network.refuses = () => false;
    client.connect(true);
  }
  for (const client of clients) await client.engine.drain(600_000);
  for (const client of clients) client.engine.pullDue();
  await time.sleep(10_000);
  for (const client of clients) await client.engine.drain(600_000);
  for (const client of clients) client.engine.pullDue();
  await time.sleep(10_000);
}

async function check(
  clients: readonly SimulatedClient[],
  server: SimulatedServer,
  oracle: Oracle,
  log: (line: string) => void,
): Promise<number> {
  const truth = await dumpServer(server, oracle);
  for (const line of truth) log(line);
  for (const client of clients) {
    const seen = await dumpClient(client, oracle);
    const differing = seen.filter((line) => !truth.includes(line)).map((line) => `  ${client.name}: ${line}`);
    const lacking = truth.filter((line) => !seen.includes(line)).map((line) => `  server: ${line}`);
    if (differing.length + lacking.length > 0 || seen.length !== truth.length) {
      throw new Error(`${client.name} differs from the server:\n${[...differing, ...lacking].join('\n')}`);
    }
  }
  const missing = oracle.missing(tokensIn(Buffer.from(truth.join('\n'))));
  if (missing.length > 0) throw new Error(`contents were lost: tokens ${missing.join(', ')}`);
  return truth.filter((line) => line.includes('conflicted copy')).length;
}
