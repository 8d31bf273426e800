import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where things lie unless a flag says otherwise, after the XDG base directory specification. Content files hold
 * changes that are not yet uploaded, so they belong to the state, never to a cache that cleaners may empty.
 */
export interface Places {
  /** The server's data of `holdfast up` and `holdfast serve`. */
  readonly serverData: string;
  /** Replicas and content files, one folder a mount. */
  readonly mounts: string;
  /** Control sockets of running mounts. */
  readonly running: string;
  /** Saved logins. */
  readonly logins: string;
  /** The folder `holdfast up` mounts on. */
  readonly mountpoint: string;
}

/** The places for this user; `environment` is usually `process.env`. */
export function placesFor(environment: NodeJS.ProcessEnv): Places {
  const home = environment['HOME'] ?? homedir();
  const data = environment['XDG_DATA_HOME'] || join(home, '.local', 'share');
  const state = environment['XDG_STATE_HOME'] || join(home, '.local', 'state');
  const config = environment['XDG_CONFIG_HOME'] || join(home, '.config');
  return {
    serverData: join(data, 'holdfast'),
    mounts: join(state, 'holdfast', 'mounts'),
    running: join(state, 'holdfast', 'running'),
    logins: join(config, 'holdfast', 'logins.json'),
    mountpoint: join(home, 'Holdfast'),
  };
}
