import type { Clock, Randomness } from '../protocol/environment.ts';
import { DriveError } from '../protocol/errors.ts';
import { DiskStore } from './disk-store.ts';
import { MemoryStore } from './memory-store.ts';
import type { ObjectStore } from './object-store.ts';
import { RetryingStore } from './retrying-store.ts';
import type { S3Settings } from './s3-store.ts';

/**
 * Opens the object store that `url` names:
 *
 *     disk:DIRECTORY                                            a directory of the local file system, made if need be
 *     s3://BUCKET/PREFIX?endpoint=http://HOST:PORT&region=NAME  a bucket; prefix, endpoint and region may be left out
 *     memory:                                                   this process's memory, for trials
 *
 * What goes over a network is tried again by a `RetryingStore`. Throws `invalidArgument` for anything else, and what the
 * store throws that cannot be opened.
 */
export async function openObjectStore(
  url: string,
  environment: { readonly clock: Clock; readonly randomness: Randomness },
): Promise<ObjectStore> {
  if (url === 'memory:') return new MemoryStore();
  if (url.startsWith('disk:')) return DiskStore.open(diskDirectory(url));
  if (url.startsWith('s3://')) {
    const settings = parseS3Url(url);
    // The client is large in memory, and who keeps blocks on disk does not need it.
    const { S3Store } = await import('./s3-store.ts');
    return new RetryingStore(await S3Store.open(settings), environment);
  }
  throw wrongUrl(url, 'use disk:DIRECTORY or s3://BUCKET/PREFIX');
}

function wrongUrl(url: string, advice: string): DriveError {
  return new DriveError('invalidArgument', `${JSON.stringify(url.slice(0, 200))} names no object store: ${advice}`);
}

function diskDirectory(url: string): string {
  const directory = url.slice('disk:'.length);
  if (directory === '' || directory.includes('\0')) throw wrongUrl(url, 'use disk:DIRECTORY');
  return directory;
}

const bucketPattern = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const prefixPattern = /^([a-zA-Z0-9._-]+\/)*$/;
const parameters = new Set(['endpoint', 'region']);

/** Reads an `s3:` URL; throws `invalidArgument`. */
export function parseS3Url(url: string): S3Settings {
  if (!URL.canParse(url)) throw wrongUrl(url, 'use s3://BUCKET/PREFIX?endpoint=URL&region=NAME');
  const { hostname: bucket, pathname, searchParams, username, password } = new URL(url);
  if (username !== '' || password !== '') throw wrongUrl('s3:', 'keys do not belong into it, set AWS_ACCESS_KEY_ID');
  if (!bucketPattern.test(bucket)) throw wrongUrl(url, 'a bucket has 3 to 63 characters of a-z 0-9 . -');
  const path = pathname.replace(/^\//, '');
  const prefix = path === '' || path.endsWith('/') ? path : `${path}/`;
  if (!prefixPattern.test(prefix)) throw wrongUrl(url, 'a prefix has characters of a-z A-Z 0-9 . _ - /');
  for (const name of searchParams.keys()) {
    if (!parameters.has(name)) throw wrongUrl(url, `"${name}" is neither endpoint nor region`);
  }
  const endpoint = searchParams.get('endpoint') ?? undefined;
  if (endpoint !== undefined && !/^https?:\/\/[^/?#@]+\/?$/.test(endpoint)) {
    throw wrongUrl(url, 'its endpoint must be like https://HOST:PORT');
  }
  const region = searchParams.get('region') ?? process.env['AWS_REGION'] ?? 'us-east-1';
  return { bucket, prefix, endpoint, region };
}
