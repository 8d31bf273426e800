import { relative, resolve, sep } from 'node:path';
import { RemoteDrive } from '../mount/remote/remote-drive.ts';
import { DriveError } from '../protocol/errors.ts';
import type { NamespaceId } from '../protocol/ids.ts';
import type { Metadata } from '../protocol/metadata.ts';
import type { Place } from '../protocol/operations.ts';
import { Logins } from './logins.ts';
import { chooseNamespace } from './namespace-choice.ts';
import { placesFor } from './places.ts';
import { RunningMounts } from './running-mounts.ts';

/** A path of a mount, as its server knows it, with a connection that is closed on disposal. */
export interface RemotePlace extends Disposable {
  /** As on this machine, absolute. */
  readonly path: string;
  readonly drive: Metadata;
  readonly namespace: NamespaceId;
  readonly place: Place;
}

/** Finds the mount that holds `path` and asks its server. The folder must exist; the name in it need not. */
export async function openPlace(path: string): Promise<RemotePlace> {
  const places = placesFor(process.env);
  const absolute = resolve(path);
  const mount = await new RunningMounts(places.running).containing(absolute);
  const names = relative(mount.path, absolute).split(sep);
  const name = names.pop();
  if (name === undefined || name === '') throw new DriveError('isDirectory', `${absolute} is the drive itself`);
  const login = await new Logins(places.logins).find(mount.server);
  const drive = new RemoteDrive({ url: login.server, token: login.token });
  try {
    const { id: namespace } = await chooseNamespace(drive, mount.namespace);
    const parent = await drive.resolve(namespace, names);
    return {
      path: absolute,
      drive,
      namespace,
      place: { parent: parent.inode, name },
      [Symbol.dispose]: () => drive.close(),
    };
  } catch (error) {
    drive.close();
    throw error;
  }
}
