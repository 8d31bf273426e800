import { expect, it } from 'vitest';
import { PasswordCache } from '../../../metadata/password-cache.ts';
import type { Caller } from '../../../protocol/accounts.ts';
import { DriveError } from '../../../protocol/errors.ts';
import type { UserId } from '../../../protocol/ids.ts';
import { systemClock, systemRandomness } from '../../../protocol/system-environment.ts';

const ada: Caller = { user: 'ada' as UserId, userName: 'ada', device: null };

/** A check of passwords that counts its calls and ends when told to. */
class Checks {
  count = 0;
  readonly #gates: PromiseWithResolvers<Caller>[] = [];

  readonly verify = async (): Promise<Caller> => {
    this.count += 1;
    const gate = Promise.withResolvers<Caller>();
    this.#gates.push(gate);
    return gate.promise;
  };

  end(result: Caller | DriveError): void {
    const gate = this.#gates.shift();
    if (result instanceof DriveError) gate?.reject(result);
    else gate?.resolve(result);
  }
}

function makeCache() {
  const cache = new PasswordCache(systemClock, systemRandomness);
  const checks = new Checks();
  return { cache, checks, ask: (password: string) => cache.caller('ada', password, checks.verify) };
}

it('checks a password once for all who ask meanwhile, and remembers it', async () => {
  const { checks, ask } = makeCache();
  const answers = Promise.all(Array.from({ length: 8 }, () => ask('right')));
  expect(checks.count).toBe(1);
  checks.end(ada);
  expect(await answers).toEqual(Array(8).fill(ada));
  expect(await ask('right')).toBe(ada);
  expect(checks.count).toBe(1);
});

it('tells all who ask of a wrong one, and does not remember that', async () => {
  const { checks, ask } = makeCache();
  const answers = Promise.allSettled([ask('wrong'), ask('wrong')]);
  checks.end(new DriveError('unauthenticated', 'wrong'));
  expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const again = ask('wrong');
  expect(checks.count).toBe(2);
  checks.end(ada);
  expect(await again).toBe(ada);
});

it('lets nobody join a check from before its user was forgotten, and does not remember it', async () => {
  const { cache, checks, ask } = makeCache();
  const before = ask('old');
  cache.forget(ada.user);
  const after = ask('old');
  expect(checks.count).toBe(2);
  checks.end(ada);
  checks.end(new DriveError('unauthenticated', 'changed'));
  expect(await before).toBe(ada);
  await expect(after).rejects.toMatchObject({ code: 'unauthenticated' });
  void ask('old');
  expect(checks.count).toBe(3);
});
