import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriveError } from '../protocol/errors.ts';
import type { MetadataStore } from '../protocol/metadata-store.ts';
import { answerJson } from './http-answer.ts';

/** The process lives and answers. */
export function answerHealth(response: ServerResponse): void {
  answerJson(response, 200, '{"status":"ok"}');
}

/** The process can do its work: the database answers. Throws `unavailable` if it does not in time. */
export async function answerReadiness(
  response: ServerResponse,
  metadata: MetadataStore,
  timeoutMs: number,
): Promise<void> {
  const done = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: done.signal }).then(() => {
    throw new DriveError('unavailable', 'the database does not answer');
  });
  try {
    await Promise.race([metadata.ping(), late]);
  } finally {
    done.abort();
    late.catch(() => {});
  }
  answerHealth(response);
}
