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
 * The master keys in the file at `path`, which is made with one fresh key if there is none (of several processes that make it at
 * once, one does). Throws `forbidden` if others than its owner may read it, `corrupt` if it is no key file.
 */
export async function openKeyFile(path: string): Promise<MasterKeys> {
  try {
    const present = await readKeyFile(path);
    if (present !== undefined) return present;
    await makeKeyFile(path);
    const made = await readKeyFile(path);
    if (made === undefined) throw new DriveError('unavailable', `the key file ${path} vanished while it was made`);
    return made;
  } catch (error) {
    throw diskError(`the key file ${path}`, error);
  }
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
