import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { RemoteNotifications } from '../../mount/remote/remote-notifications.ts';
import type { Notification } from '../../protocol/notifications.ts';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';
import { closeUnauthenticated } from '../../protocol/wire/notification-messages.ts';
import { notificationsPath } from '../../protocol/wire/wire-version.ts';
import { startTestServer } from './test-server.ts';
import type { TestServer, TestUser } from './test-server.ts';
import { commitOf, newFile } from './tree-values.ts';

/** A listener that keeps what it heard. */
class Heard {
  readonly notifications: Notification[] = [];
  readonly states: boolean[] = [];
  pulls = 0;

  connected(isConnected: boolean): void {
    this.states.push(isConnected);
  }

  notified(notification: Notification): void {
    this.notifications.push(notification);
  }

  pullDue(): void {
    this.pulls += 1;
  }
}

/** A busy machine may keep an event waiting. */
function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 15_000 });
}

describe('notifications', () => {
  let server: TestServer;
  let ada: TestUser;
  let eve: TestUser;
  const clients: RemoteNotifications[] = [];

  beforeEach(async () => {
    server = await startTestServer({ limits: { roleCacheMs: 1, pingIntervalMs: 2000 } });
    ada = await server.addUser('ada');
    eve = await server.addUser('eve');
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await server.close();
  });

  async function listen(user: TestUser): Promise<{ heard: Heard; client: RemoteNotifications }> {
    const heard = new Heard();
    const client = new RemoteNotifications({
      server: { url: server.gateway.url, token: user.token },
      clock: systemClock,
      randomness: systemRandomness,
      listener: heard,
      timings: { connectMs: 5000, pingMs: 2000, retryMsMin: 20, retryMsMax: 200 },
    });
    clients.push(client);
    client.start();
    await eventually(() => expect(heard.states).toEqual([true]));
    return { heard, client };
  }

  const commit = (user: TestUser, name: string) =>
    user.drive.commit(ada.namespace, commitOf(newFile(ada.namespace, name)));

  test('tell of a commit those who may read, and nobody else', async () => {
    const mine = await listen(ada);
    const hers = await listen(eve);
    expect(mine.heard.pulls).toBe(1);
    const { cursor } = await commit(ada, 'one');
    await eventually(() => expect(mine.heard.notifications).toContainEqual({ namespace: ada.namespace, cursor }));
    await server.metadata.accounts.grant(ada.caller, ada.namespace, 'eve', 'read');
    const next = await commit(ada, 'two');
    await eventually(() => expect(hers.heard.notifications).toHaveLength(1));
    expect(hers.heard.notifications).toEqual([{ namespace: ada.namespace, cursor: next.cursor }]);
    await server.metadata.accounts.grant(ada.caller, ada.namespace, 'eve', null);
    const last = await commit(ada, 'three');
    await eventually(() =>
      expect(mine.heard.notifications).toContainEqual({ namespace: ada.namespace, cursor: last.cursor }),
    );
    await eve.drive.commit(eve.namespace, commitOf(newFile(eve.namespace, 'own')));
    await eventually(() => expect(hers.heard.notifications).toHaveLength(2));
    expect(hers.heard.notifications[1]?.namespace).toBe(eve.namespace);
  });

  test('never leave out the last cursor of many', async () => {
    const { heard } = await listen(ada);
    const results = await Promise.all(Array.from({ length: 100 }, (_, index) => commit(ada, `many ${index}`)));
    const last = Math.max(...results.map(({ cursor }) => cursor));
    await eventually(() => expect(Math.max(...heard.notifications.map(({ cursor }) => cursor))).toBe(last));
    expect(heard.states).toEqual([true]);
  });

  test('are heard again after the server was away, and a pull is due', async () => {
    const { heard } = await listen(ada);
    await server.restart();
    await eventually(() => expect(heard.states).toEqual([true, false, true]));
    expect(heard.pulls).toBe(2);
    const { cursor } = await commit(ada, 'after');
    await eventually(() => expect(heard.notifications.at(-1)).toEqual({ namespace: ada.namespace, cursor }));
  });

  test('measure how long another device takes to apply', async () => {
    const second = await server.metadata.accounts.issueSecret(ada.caller, 'device', 'second');
    const author = await listen(ada);
    const reader = await listen({ ...ada, token: second.secret });
    const { cursor } = await commit(ada, 'measured');
    author.client.reportApplied({ namespace: ada.namespace, cursor });
    reader.client.reportApplied({ namespace: ada.namespace, cursor });
    await eventually(() => expect(server.gateway.syncLatency.snapshot().count).toBe(1));
  });

  test('end for a token that was revoked', async () => {
    const { heard } = await listen(ada);
    await server.metadata.accounts.revoke(ada.caller, ada.device);
    // It tries again and again, and is told of each time in vain.
    await eventually(() => expect(heard.states.length).toBeGreaterThan(2));
    expect(heard.states.lastIndexOf(true)).toBe(0);
  });

  function open(path: string, token: string): WebSocket {
    return new WebSocket(server.gateway.url.replace('http', 'ws') + path, {
      headers: { authorization: `Bearer ${token}` },
    });
  }

  const ending = (socket: WebSocket) =>
    new Promise<unknown>((resolve) => {
      socket.once('error', (error) => resolve(error.message));
      socket.once('close', (code) => resolve(code));
    });

  test('are refused without a token and elsewhere', async () => {
    expect(await ending(open(notificationsPath, 'wrong'))).toBe('Unexpected server response: 401');
    expect(await ending(open('/dav/', ada.token))).toBe('Unexpected server response: 404');
  });

  test.each(['nonsense', '{"namespace":"x","applied":1}', 'x'.repeat(10_000)])(
    'end for a client that talks nonsense',
    async (text) => {
      const socket = open(notificationsPath, ada.token);
      socket.once('open', () => socket.send(text));
      const code = await ending(socket);
      expect([1007, 1009]).toContain(code);
      expect(closeUnauthenticated).not.toBe(code);
      expect(await ada.drive.whoami()).toMatchObject({ userName: 'ada' });
    },
  );
});
