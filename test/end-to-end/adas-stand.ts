import type { TcpProxy } from '../faults/tcp-proxy.ts';
import { Stand, type Device } from './stand.ts';

/** Ada's, and that of whoever else a test adds. */
export const password = 'a long password';

export interface AdasStand {
  /** Its `close` ends the devices and the line too. */
  readonly stand: Stand;
  /** The way to the server of the devices that go by it, whole until it is cut. */
  readonly line: TcpProxy;
}

/**
 * A server with one user, Ada, and a mounted device of hers for each name in `ways`, which says how it gets to the server. If
 * something fails on the way, what was begun is ended.
 */
export async function openAdasStand<Name extends string>(
  ways: Readonly<Record<Name, 'direct' | 'byLine'>>,
  ...mountOptions: readonly string[]
): Promise<AdasStand & Readonly<Record<Name, Device>>> {
  const stand = await Stand.open();
  try {
    const line = await stand.openLine();
    await stand.addUser('ada', password);
    const devices: Record<string, Device> = {};
    for (const [name, way] of Object.entries(ways)) {
      devices[name] = await stand.device('ada', password, name, way === 'byLine' ? line.url : stand.url);
      await devices[name].mount(...mountOptions);
    }
    return { stand, line, ...(devices as Record<Name, Device>) };
  } catch (error) {
    await stand.close();
    throw error;
  }
}
