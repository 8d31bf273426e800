import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { login } from '../../mount/remote/login.ts';
import { RemoteDrive } from '../../mount/remote/remote-drive.ts';
import { endpointPath, endpoints } from '../../protocol/wire/endpoints.ts';
import type { Role } from '../../protocol/roles.ts';
import { openAdasStand, password } from './adas-stand.ts';
import { eventually } from './eventually.ts';
import { skipLoudly, whyNoMount } from './requirements.ts';
import type { Device, Stand } from './stand.ts';

describe.skipIf(skipLoudly('a shared drive', whyNoMount()))('a drive that its owner shares', () => {
  let stand: Stand;
  let ada: Device;
  let bob: Device;

  beforeAll(async () => {
    ({ stand, ada } = await openAdasStand({ ada: 'direct' }));
    await stand.addUser('bob', password);
    bob = await stand.device('bob', password, 'bob');
    await writeFile(ada.path('plan.txt'), 'by ada');
    await ada.drain();
  });

  afterAll(() => stand?.close());

  async function grantToBob(role: Role): Promise<void> {
    const { token } = await login({ url: stand.url, user: 'ada', password, deviceName: 'granting' });
    const drive = new RemoteDrive({ url: stand.url, token });
    const [own] = await drive.namespaces();
    drive.close();
    if (own === undefined) throw new Error('ada has no drive');
    const response = await fetch(stand.url + endpointPath(endpoints.grant, own.id), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ userName: 'bob', role }),
    });
    expect(response.status).toBe(200);
  }

  test('to read is mounted read-only', async () => {
    await grantToBob('read');
    await bob.mount('--namespace', 'ada');
    expect(await readFile(bob.path('plan.txt'), 'utf8')).toBe('by ada');
    await expect(writeFile(bob.path('plan.txt'), 'by bob')).rejects.toMatchObject({ code: 'EROFS' });
    await bob.unmount();
  }, 60_000);

  test('to write is written, and the owner sees it', async () => {
    await grantToBob('write');
    await bob.mount('--namespace', 'ada');
    await writeFile(bob.path('plan.txt'), 'by bob');
    await eventually(async () => expect(await readFile(ada.path('plan.txt'), 'utf8')).toBe('by bob'));
    await bob.unmount();
  }, 60_000);
});
