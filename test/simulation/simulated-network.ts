import type { BlockService } from '../../protocol/block-service.ts';
import type { Clock } from '../../protocol/environment.ts';
import { DriveError } from '../../protocol/errors.ts';
import type { InodeId } from '../../protocol/ids.ts';
import type { Metadata } from '../../protocol/metadata.ts';
import type { SeededRandom } from './seeded-random.ts';

/** One client's way to the server: slow, and at times cut, losing requests and replies. */
export class SimulatedNetwork {
  isCut = false;
  /** How often a request or a reply is lost while the way is not cut. */
  lossProbability = 0;
  /** The inodes about which the server takes no change from this client: it refuses every commit that has one. */
  refuses: (inode: InodeId) => boolean = () => false;
  /** Ends with the client that it serves: nothing gets through any more. */
  isDead = false;
  readonly #clock: Clock;
  readonly #random: SeededRandom;

  constructor(clock: Clock, random: SeededRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  async call<Result>(serve: () => Promise<Result>): Promise<Result> {
    await this.#leg();
    const result = await serve();
    await this.#leg();
    return result;
  }

  metadata(server: Metadata): Pick<Metadata, 'commit' | 'changes' | 'manifest'> {
    const leg = () => this.#leg();
    return {
      commit: (namespace, request) =>
        this.call(async () => {
          const isRefused = request.operations.some(({ inode }) => this.refuses(inode));
          if (isRefused) throw new DriveError('quotaExceeded', 'the drive is full');
          return server.commit(namespace, request);
        }),
      manifest: (namespace, inode, version) => this.call(() => server.manifest(namespace, inode, version)),
      changes: async function* (namespace, after, upTo, mark) {
        await leg();
        for await (const batch of server.changes(namespace, after, upTo, mark)) {
          await leg();
          yield batch;
        }
      },
    };
  }

  blocks(server: BlockService): BlockService {
    const leg = () => this.#leg();
    return {
      have: (namespace, hashes) => this.call(() => server.have(namespace, hashes)),
      put: (namespace, frames) => this.call(() => server.put(namespace, frames)),
      get: async function* (namespace, request) {
        await leg();
        for await (const frame of server.get(namespace, request)) {
          yield frame;
          await leg();
        }
      },
    };
  }

  async #leg(): Promise<void> {
    await this.#clock.sleep(1 + this.#random.below(20));
    if (this.isDead) await new Promise(() => undefined);
    if (this.isCut || this.#random.chance(this.lossProbability)) {
      throw new DriveError('unavailable', 'the server does not answer');
    }
  }
}
