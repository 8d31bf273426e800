import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { RemoteDrive } from '../../mount/remote/remote-drive.ts';
import { makeId, rootInodeOf } from '../../protocol/ids.ts';
import type { ClientCommitId, NamespaceId } from '../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';

interface ProbeData {
  readonly url: string;
  readonly token: string;
  readonly namespace: NamespaceId;
}

/** Latencies of one-attribute commits that follow each other without pause, in milliseconds. */
export interface CommitLatency {
  readonly commits: number;
  readonly p50: number;
  readonly p99: number;
}

/** Commits all the time while `work` runs, from a thread of its own so that the client's work does not delay it. */
export async function whileCommitting(data: ProbeData, work: () => Promise<void>): Promise<CommitLatency> {
  const worker = new Worker(new URL(import.meta.url), { workerData: data });
  try {
    await once(worker, 'message'); // the first commit is through
    await work();
    worker.postMessage('stop');
    const [latency] = (await once(worker, 'message')) as [CommitLatency];
    return latency;
  } finally {
    await worker.terminate();
  }
}

async function probe({ url, token, namespace }: ProbeData): Promise<void> {
  const drive = new RemoteDrive({ url, token });
  const latenciesMs: number[] = [];
  let stopped = false;
  parentPort?.once('message', () => (stopped = true));
  const commit = () =>
    drive.commit(namespace, {
      clientCommitId: makeId<ClientCommitId>(systemClock, systemRandomness),
      onConflict: 'resolve',
      operations: [
        {
          type: 'attributes',
          inode: rootInodeOf(namespace),
          set: { mtimeNs: systemClock.nowNs() },
          xattrs: new Map(),
        },
      ],
    });
  await commit();
  parentPort?.postMessage('ready');
  while (!stopped) {
    const start = performance.now();
    await commit();
    latenciesMs.push(performance.now() - start);
  }
  drive.close();
  latenciesMs.sort((a, b) => a - b);
  const at = (share: number) => latenciesMs[Math.floor(share * (latenciesMs.length - 1))] ?? NaN;
  parentPort?.postMessage({ commits: latenciesMs.length, p50: at(0.5), p99: at(0.99) } satisfies CommitLatency);
}

if (!isMainThread) await probe(workerData as ProbeData);
