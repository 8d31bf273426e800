import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMetadata } from '../../../metadata/open.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import { makeId, rootInodeOf } from '../../../protocol/ids.ts';
import type { ClientCommitId, InodeId } from '../../../protocol/ids.ts';
import { Oracle } from '../../simulation/oracle.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { SimulatedBlocks } from '../../simulation/simulated-blocks.ts';
import { SimulatedClient } from '../../simulation/simulated-client.ts';
import type { SimulatedServer } from '../../simulation/simulated-client.ts';
import { dumpClient, dumpServer } from '../../simulation/tree-dump.ts';
import { VirtualTime } from '../../simulation/virtual-time.ts';

let time: VirtualTime;
let server: SimulatedServer;
let oracle: Oracle;
let ada: SimulatedClient;
let ben: SimulatedClient;

beforeEach(async () => {
  time = new VirtualTime();
  const random = new SeededRandom(1);
  const store = await openMetadata('sqlite::memory:', { clock: time, randomness: random.fork() }, { passwordCost: 2 });
  const { namespace } = await store.accounts.createUser('ada', 'a password of no worth');
  const caller = await store.accounts.verifyPassword('ada', 'a password of no worth');
  const blocks = new SimulatedBlocks(store, { clock: time, randomness: random.fork() });
  server = { store, blocks, caller, namespace };
  oracle = new Oracle(server);
  ada = new SimulatedClient('ada', server, time, random.fork());
  ben = new SimulatedClient('ben', server, time, random.fork());
});

afterEach(async () => {
  await time.run(Promise.all([ada.stop(), ben.stop()]));
  await server.store.close();
});

function write(client: SimulatedClient, name: string, text: string, isClosed = true): void {
  const inode = { kind: 'file', mode: 0o644, uid: 1, gid: 1, rdev: 0, target: null } as const;
  const found = client.replica.lookup(rootIno, name) ?? client.replica.create(rootIno, name, inode, time.nowNs());
  client.content.write(found.ino, found.size, Buffer.from(text), time.nowNs());
  if (isClosed) client.engine.contentClosed(found.ino);
  else client.engine.changed();
}

function rename(client: SimulatedClient, from: string, to: string, mode: 'replace' | 'exchange'): void {
  const [source, target] = [from, to].map((name) => ({ parent: rootIno, name }));
  if (source && target) client.replica.rename(source, target, mode, time.nowNs());
  client.engine.changed();
}

/** Both have all that the other had up to now. */
async function exchangeAll(): Promise<void> {
  for (const client of [ada, ben, ada]) {
    client.connect(true);
    await time.run(client.engine.drain(60_000));
  }
  await time.run(time.sleep(10_000));
}

/** As a client that removed a file and made a symlink in its place. */
async function replaceOnServer(name: string): Promise<void> {
  const { store, caller, namespace } = server;
  const metadata = store.as(caller);
  const parent = rootInodeOf(namespace);
  const { entries } = await metadata.list(namespace, parent, {});
  const found = entries.find((entry) => entry.name === name);
  if (found === undefined) throw new Error(`the server has no ${name}`);
  const random = new SeededRandom(2);
  const attributes = { mode: 0o777, uid: 1, gid: 1, mtimeNs: time.nowNs(), ctimeNs: time.nowNs(), xattrs: new Map() };
  await metadata.commit(namespace, {
    clientCommitId: makeId<ClientCommitId>(time, random),
    onConflict: 'resolve',
    operations: [
      { type: 'unlink', parent, name, inode: found.state.inode, base: found.state.version, recursive: false },
      {
        ...{ type: 'create', parent, name, inode: makeId<InodeId>(time, random), kind: 'symlink' },
        ...{ rdev: 0, target: 'elsewhere', manifest: null, ...attributes },
      },
    ],
  });
}

/** The end of each line is the content. */
async function expectSame(): Promise<string[]> {
  const truth = await dumpServer(server, oracle);
  expect(await dumpClient(ada, oracle)).toEqual(truth);
  expect(await dumpClient(ben, oracle)).toEqual(truth);
  return truth;
}

const lives = ['is gone', 'is there still'];
test.each(lives)(
  'a file whose edit was removed here comes back as the server has it, if its content file %s',
  async (life) => {
    write(ada, 'plan', 'one ');
    await exchangeAll();
    write(ben, 'plan', 'of ben', false); // still open: not uploaded yet
    write(ada, 'plan', 'two ');
    await time.run(ada.engine.drain(60_000));
    ben.engine.pullDue();
    await time.run(time.sleep(200));
    ben.connect(false);
    rename(ada, 'plan', 'plans', 'replace');
    await time.run(ada.engine.drain(60_000));
    const { ino } = ben.replica.unlink(rootIno, 'plan', time.nowNs());
    if (life === 'is gone') ben.content.forget(ino);
    await exchangeAll();
    const truth = await expectSame();
    expect(truth.filter((line) => line.startsWith('/plan'))).toEqual([expect.stringMatching(/^\/plans .*one two $/)]);
  },
);

test('an edit of a file that was moved here and replaced there at the same time is kept', async () => {
  write(ada, 'minutes', 'agenda ');
  write(ada, 'draft', 'draft ');
  await exchangeAll();
  rename(ben, 'draft', 'minutes', 'exchange');
  write(ben, 'draft', 'and what was said');
  // The notification of it gets lost, so that ben learns of it only from the answer to his own commit.
  ben.network.isCut = true;
  await replaceOnServer('minutes');
  await time.run(time.sleep(100));
  ben.network.isCut = false;
  await time.run(ben.engine.drain(60_000));
  await exchangeAll();
  expect((await expectSame()).join('\n')).toContain('agenda and what was said');
});
