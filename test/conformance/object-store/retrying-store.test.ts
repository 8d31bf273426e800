import { FaultyStore } from '../../../blockstore/faulty-store.ts';
import { MemoryStore } from '../../../blockstore/memory-store.ts';
import { RetryingStore } from '../../../blockstore/retrying-store.ts';
import { systemClock } from '../../../protocol/system-environment.ts';
import { seededRandomness } from '../../unit/blockstore/seeded-bytes.ts';
import { describeObjectStore } from './object-store-suite.ts';

const rates = { errorBefore: 0.2, errorAfter: 0.2, broken: 0.05, listingBroken: 0.001, truncated: 0.05, delayed: 0.05 };

describeObjectStore('RetryingStore over a faulty store', async () => {
  const environment = { clock: systemClock, randomness: seededRandomness('faults') };
  const faulty = new FaultyStore(new MemoryStore(), environment, rates, 2);
  const policy = { attemptsMax: 60, delayMsMin: 0.1, delayMsMax: 1 };
  return {
    store: new RetryingStore(faulty, environment, policy),
    dispose: async () => {
      if (faulty.faults < 100) throw new Error(`the suite met only ${faulty.faults} faults`);
    },
  };
});
