import { DriveError } from '../protocol/errors.ts';

/** What a line of /etc/fstab asks for. */
export interface FstabMount {
  /** `https://host:port`. */
  readonly server: string;
  /** By name or id; `undefined` for the user's own. */
  readonly namespace: string | undefined;
  /** Whose login at the server it must be, if that is said. */
  readonly userName: string | undefined;
  /** The folder below which login, caches and control sockets lie, if it is not the user's home. */
  readonly home: string | undefined;
  /** For `holdfast mount`. */
  readonly args: readonly string[];
}

/** Options of `holdfast mount` that take a value and may stand in fstab under their name. */
const valued = new Set(['cache', 'cache-size', 'sync', 'sync-timeout', 'io-timeout']);

/** What mount(8) and systemd.mount(5) see to themselves, and what a mount does anyway (nosuid, nodev). */
const ignored = new Set(
  ['defaults', 'rw', 'auto', 'noauto', 'nofail', '_netdev', 'user', 'users', 'nouser', 'owner', 'group'].concat([
    'nosuid',
    'nodev',
    'exec',
    'async',
    'atime',
    'relatime',
    'loud',
    'silent',
  ]),
);

/**
 * Reads the first and the fourth field of a line of fstab(5): `https://HOST[:PORT][/DRIVE]`, and options with commas
 * between them. Throws `invalidArgument` for what it does not know, unless `isSloppy` (mount(8), -s).
 */
export function parseFstabMount(spec: string, options: string, isSloppy: boolean): FstabMount {
  const url = URL.parse(spec);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new DriveError('invalidArgument', `"${spec}" is no drive; write it like https://drive.example:7420/NAME`);
  }
  const name = decodeURIComponent(url.pathname.replace(/^\//, '').replace(/\/$/, ''));
  let userName: string | undefined;
  let home: string | undefined;
  const args: string[] = [];
  for (const option of options.split(',').filter((one) => one !== '')) {
    const [key = '', ...rest] = option.split('=');
    const value = rest.length === 0 ? undefined : rest.join('=');
    if (value !== undefined && valued.has(key)) args.push(`--${key}`, value);
    else if (value !== undefined && (key === 'user' || key === 'username')) userName = value;
    else if (value !== undefined && key === 'home') home = value;
    else if (option === 'ro') args.push('--read-only');
    else if (!ignored.has(option) && !/^(x-|X-|comment=)/.test(option) && !isSloppy) {
      throw new DriveError('invalidArgument', `"${option}" is no option of a Holdfast mount (see docs/OPERATIONS.md)`);
    }
  }
  return { server: url.origin, namespace: name === '' ? undefined : name, userName, home, args };
}
