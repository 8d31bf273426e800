import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DriveError } from '../protocol/errors.ts';
import { diskError, hasErrno } from './disk-errors.ts';
import { keyIdCharacters, MasterKeys, type MasterKey } from './master-keys.ts';
import { dataKeyBytes } from './sealing.ts';

/**
 * The key file: JSON, mode 0600.
 *
 *     { "format": 1, "active": ID, "keys": [ { "id": ID, "key": BASE64 }, … ] }
 *
 * `ID` is 16 hexadecimal digits, `BASE64` 32 bytes. To rotate: add a key, name it active, restart.
 */
interface KeyFile {
  readonly format: 1;
  readonly active: string;
  readonly keys: readonly { readonly id: string; readonly key: string }[];
}

/**
 * The master keys in the file at `path`, with all of `keyIdsInUse`: those that a store's packs need. Where no pack needs any, a missing
 * file is made with one fresh key (of several processes that make it at once, one does). Throws `notFound` if the file or a key in
 * use is missing, since a new key would open nothing of what is stored, `forbidden` if others than its owner may read the file,
 * `corrupt` if it is no key file. When it throws, nothing was changed.
 */
export async function openKeyFile(path: string, keyIdsInUse: ReadonlySet<string>): Promise<MasterKeys> {
  try {
    const present = await readKeyFile(path);
    if (present !== undefined) {
      const lacking = [...keyIdsInUse].filter((id) => !present.has(id));
      if (lacking.length > 0) throw keysMissing(`the key file ${path} lacks`, lacking);
      return present;
    }
    if (keyIdsInUse.size > 0) throw keysMissing(`the key file ${path} is missing, and with it`, [...keyIdsInUse]);
    await makeKeyFile(path);
    const made = await readKeyFile(path);
    if (made === undefined) throw new DriveError('unavailable', `the key file ${path} vanished while it was made`);
    return made;
  } catch (error) {
    throw diskError(`the key file ${path}`, error);
  }
}

function keysMissing(what: string, ids: readonly string[]): DriveError {
  const [keys, them] = ids.length === 1 ? ['master key', 'it'] : ['master keys', 'them'];
  const listed = ids.toSorted().join(', ');
  return new DriveError(
    'notFound',
    `${what} ${keys} ${listed}: stored blocks cannot be read without ${them}. Copy the file from the backup or from another ` +
      `server of this store (or add what it lacks from there), and start again`,
  );
}

async function readKeyFile(path: string): Promise<MasterKeys | undefined> {
  let text: string;
  try {
    if (((await stat(path)).mode & 0o077) !== 0) {
      throw new DriveError('forbidden', `the key file ${path} is open to other users: run chmod 600 on it`);
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return parseKeyFile(text);
  } catch (error) {
    // The cause may quote the file: it is left out, a message never holds a secret.
    const reason = error instanceof DriveError ? error.message : 'it is not the expected JSON';
    throw new DriveError('corrupt', `the key file ${path} cannot be used: ${reason}`);
  }
}

function parseKeyFile(text: string): MasterKeys {
  const parsed = JSON.parse(text) as unknown;
  if (!isKeyFile(parsed)) throw new DriveError('corrupt', 'it is not the expected JSON');
  const keys: MasterKey[] = parsed.keys.map(({ id, key }) => ({ id, key: Buffer.from(key, 'base64') }));
  return new MasterKeys(keys, parsed.active);
}

function isKeyFile(value: unknown): value is KeyFile {
  if (typeof value !== 'object' || value === null) return false;
  const { format, active, keys } = value as Partial<Record<keyof KeyFile, unknown>>;
  return format === 1 && typeof active === 'string' && Array.isArray(keys) && keys.every(isStoredKey);
}

function isStoredKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { id, key } = value as { readonly id?: unknown; readonly key?: unknown };
  return typeof id === 'string' && typeof key === 'string';
}

async function makeKeyFile(path: string): Promise<void> {
  const id = randomBytes(keyIdCharacters / 2).toString('hex');
  const content: KeyFile = {
    format: 1,
    active: id,
    keys: [{ id, key: randomBytes(dataKeyBytes).toString('base64') }],
  };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify(content, undefined, 2) + '\n');
      await file.sync();
    } finally {
      await file.close();
    }
    // A link never replaces: whoever comes second uses the first one's keys.
    await link(temporary, path).catch((error: unknown) => {
      if (!hasErrno(error, 'EEXIST')) throw error;
    });
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
