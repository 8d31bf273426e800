import { expect, test } from 'vitest';
import { openMetadata } from '../../../metadata/open.ts';
import { rootIno } from '../../../mount/replica/local-inode.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { SimulatedBlocks } from '../../simulation/simulated-blocks.ts';
import { SimulatedClient } from '../../simulation/simulated-client.ts';
import { VirtualTime } from '../../simulation/virtual-time.ts';

const folder = { kind: 'directory', mode: 0o755, uid: 1, gid: 1, rdev: 0, target: null } as const;

/** Seeds differ in how many changes a commit takes: with two, a commit has the removals alone. */
test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'a commit that another made unneeded hides nothing of the other, seed %i',
  async (seed) => {
    const time = new VirtualTime();
    const random = new SeededRandom(seed);
    const environment = { clock: time, randomness: random.fork() };
    const store = await openMetadata('sqlite::memory:', environment, { passwordCost: 2 });
    const { namespace } = await store.accounts.createUser('ada', 'a password of no worth');
    const caller = await store.accounts.verifyPassword('ada', 'a password of no worth');
    const server = { store, blocks: new SimulatedBlocks(store, environment), caller, namespace };
    const [ada, ben] = ['ada', 'ben'].map((name) => new SimulatedClient(name, server, time, random.fork()));
    if (ada === undefined || ben === undefined) throw new Error('two clients were made');
    const names = (client: SimulatedClient) => client.replica.list(rootIno, 0, 10).map((entry) => entry.name);
    const removeBoth = (client: SimulatedClient) => {
      for (const name of ['old', 'older']) client.replica.removeDirectory(rootIno, name, time.nowNs());
      client.engine.changed();
    };

    for (const name of ['old', 'older']) ada.replica.create(rootIno, name, folder, time.nowNs());
    ada.engine.changed();
    await time.run(ada.engine.drain(60_000));
    ben.engine.pullDue();
    await time.run(time.sleep(2_000));
    expect(names(ben)).toEqual(['old', 'older']);

    ben.connect(false);
    removeBoth(ben);
    await time.run(time.sleep(2_000)); // his plan is made, and did not get through
    removeBoth(ada);
    ada.replica.create(rootIno, 'new', folder, time.nowNs());
    await time.run(ada.engine.drain(60_000));
    ben.connect(true);
    await time.run(ben.engine.drain(60_000));
    for (const client of [ada, ben]) client.engine.pullDue();
    await time.run(time.sleep(2_000));
    expect(names(ben)).toEqual(['new']);
    expect(ben.replica.cursor()).toBe(ada.replica.cursor());

    await time.run(Promise.all([ada.stop(), ben.stop()]));
    await store.close();
  },
);
