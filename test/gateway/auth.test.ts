import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { login } from '../../mount/remote/login.ts';
import { endpointPath, endpoints } from '../../protocol/wire/endpoints.ts';
import type { Endpoint } from '../../protocol/wire/endpoints.ts';
import { startTestServer } from './test-server.ts';
import type { TestServer, TestUser } from './test-server.ts';

describe('who is calling', () => {
  let server: TestServer;
  let ada: TestUser;

  beforeEach(async () => {
    server = await startTestServer({ limits: { loginFailuresMax: 3, addressFailuresMax: 8 } });
    ada = await server.addUser('ada');
  });

  afterEach(() => server.close());

  async function api(endpoint: Endpoint<never, never>, authorization?: string, body: object = {}) {
    const response = await fetch(server.gateway.url + endpointPath(endpoint, ada.namespace), {
      method: 'POST',
      headers: authorization === undefined ? {} : { authorization },
      body: JSON.stringify(body),
    });
    const challenge = response.headers.get('www-authenticate');
    return { status: response.status, challenge, body: (await response.json()) as Record<string, unknown> };
  }

  const dav = async (authorization?: string) => {
    const headers: Record<string, string> = { depth: '0' };
    if (authorization !== undefined) headers['authorization'] = authorization;
    const response = await fetch(`${server.gateway.url}/dav/`, { method: 'PROPFIND', headers });
    await response.arrayBuffer();
    return response.status;
  };
  const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

  test.each([undefined, 'Bearer', 'Bearer ', 'Basic constructor', 'Bearer  \u0001', 'Digest x=y', 'Bearer a b'])(
    'credentials %j are refused with a challenge',
    async (authorization) => {
      const answer = await api(endpoints.whoami as never, authorization).catch((error: unknown) => error);
      if (answer instanceof TypeError) return; // The client itself refuses to send it.
      expect(answer).toMatchObject({ status: 401, body: { error: { code: 'unauthenticated' } } });
      expect((answer as { challenge: string }).challenge).toContain('Bearer realm="Holdfast"');
    },
  );

  test('a token works, a wrong one does not, a revoked one no more', async () => {
    expect(await ada.drive.whoami()).toEqual({ user: ada.caller.user, userName: 'ada', device: ada.device });
    const wrong = server.drive('0'.repeat(64));
    await expect(wrong.namespaces()).rejects.toMatchObject({ code: 'unauthenticated' });
    await server.metadata.accounts.revoke(ada.caller, ada.device);
    await expect(ada.drive.namespaces()).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  test('a password gets a token', async () => {
    const { url } = server.gateway;
    const { token, device } = await login({ url, user: 'ada', password: ada.password, deviceName: 'laptop' });
    expect(await server.drive(token).whoami()).toMatchObject({ userName: 'ada', device });
    expect(await server.metadata.accounts.devices(ada.caller)).toContainEqual(
      expect.objectContaining({ device, name: 'laptop', kind: 'device' }),
    );
  });

  test('guessing is stopped, also for the right password, and only for that user', async () => {
    const { url } = server.gateway;
    const attempt = (user: string, password: string) => login({ url, user, password, deviceName: 'x' });
    await server.addUser('bob');
    for (let index = 0; index < 3; index += 1) {
      await expect(attempt('ada', `guess ${index}`)).rejects.toMatchObject({ code: 'unauthenticated' });
    }
    await expect(attempt('ada', ada.password)).rejects.toMatchObject({ code: 'rateLimited' });
    expect(await dav(basic('ada', ada.password))).toBe(429);
    expect(await attempt('bob', 'password of bob')).toHaveProperty('token');
    expect(await ada.drive.whoami()).toMatchObject({ userName: 'ada' });
  });

  test('guessing over many names is stopped by the address', async () => {
    const { url } = server.gateway;
    for (let index = 0; index < 8; index += 1) {
      await expect(login({ url, user: `user${index}`, password: 'x', deviceName: 'x' })).rejects.toMatchObject({
        code: 'unauthenticated',
      });
    }
    await expect(login({ url, user: 'another', password: 'x', deviceName: 'x' })).rejects.toMatchObject({
      code: 'rateLimited',
    });
  });

  test('WebDAV takes the password, an app password and a token; the API only the token', async () => {
    expect(await dav()).toBe(401);
    expect(await dav(basic('ada', ada.password))).toBe(207);
    expect(await dav(`Bearer ${ada.token}`)).toBe(207);
    expect(await dav(basic('ada', 'wrong'))).toBe(401);
    const bearer = `Bearer ${ada.token}`;
    const { body } = await api(endpoints.issueAppPassword as never, bearer, { name: 'phone' });
    expect(await dav(basic('ada', String(body['secret'])))).toBe(207);
    expect(await api(endpoints.whoami as never, basic('ada', ada.password))).toMatchObject({ status: 401 });
    expect(await api(endpoints.revokeDevice as never, bearer, { device: body['device'] })).toMatchObject({
      status: 200,
    });
    expect(await dav(basic('ada', String(body['secret'])))).toBe(401);
  });

  test('an owner makes and shares namespaces', async () => {
    const bearer = `Bearer ${ada.token}`;
    const bob = await server.addUser('bob');
    const made = await api(endpoints.createNamespace as never, bearer, { name: 'shared' });
    expect(made.status).toBe(200);
    expect(await api(endpoints.grant as never, bearer, { userName: 'bob', role: 'read' })).toMatchObject({
      status: 200,
    });
    expect((await bob.drive.namespaces()).map(({ name, role }) => [name, role])).toContainEqual(['ada', 'read']);
    expect(
      await api(endpoints.grant as never, `Bearer ${bob.token}`, { userName: 'bob', role: 'owner' }),
    ).toMatchObject({ status: 403 });
  });

  test('no secret is logged', async () => {
    const { url } = server.gateway;
    await login({ url, user: 'ada', password: ada.password, deviceName: 'laptop' });
    await dav(basic('ada', ada.password));
    await fetch(`${url}/healthz?token=${ada.token}`);
    const text = JSON.stringify(server.log);
    expect(text).toContain('/api/v2/login');
    for (const secret of [ada.password, ada.token, basic('ada', ada.password)]) expect(text).not.toContain(secret);
  });
});
