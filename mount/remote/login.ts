import type { DeviceId } from '../../protocol/ids.ts';
import { endpoints } from '../../protocol/wire/endpoints.ts';
import { HttpClient } from './http-client.ts';
import type { RemoteServer } from './remote-server.ts';

export interface LoginRequest extends Pick<RemoteServer, 'url' | 'ca' | 'timeouts'> {
  readonly user: string;
  readonly password: string;
  /** What the server is to call this machine in its list of devices. */
  readonly deviceName: string;
}

/** Exchanges a password for a device token. Throws `unauthenticated`, `rateLimited`, `unavailable` or `timeout`. */
export async function login(request: LoginRequest): Promise<{ readonly token: string; readonly device: DeviceId }> {
  const { user, password, deviceName, ...server } = request;
  const client = new HttpClient({ ...server, token: null });
  try {
    const { secret, device } = await client.call(endpoints.login, { user, password, deviceName });
    return { token: secret, device };
  } finally {
    client.close();
  }
}
