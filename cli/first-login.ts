import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { RunningServer } from './server.ts';
import { readFileIfThere, writePrivateFile } from './private-file.ts';

/** Written before the user is made with the password to be, and afterwards with the token alone: a crash in between heals. */
const savedSchema = z.union([
  z.object({ userName: z.string(), token: z.string() }),
  z.object({ userName: z.string(), password: z.string() }),
]);

/** How `holdfast up` itself logs in; `password` only in the run that made the user. */
export interface FirstLogin {
  readonly userName: string;
  readonly token: string;
  readonly password?: string;
}

const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';
const passwordCharacters = 24;

/** Makes the first user of a new server and a device token for this machine, or returns what an earlier run made. */
export async function firstLogin(server: RunningServer, directory: string, userName: string): Promise<FirstLogin> {
  const path = join(directory, 'first-login.json');
  const text = await readFileIfThere(path);
  const saved = text === undefined ? undefined : savedSchema.parse(JSON.parse(text));
  if (saved !== undefined && 'token' in saved) return saved;
  const plan = saved ?? { userName, password: makePassword() };
  await writePrivateFile(path, JSON.stringify(plan));
  const { accounts } = server.metadata;
  if ((await accounts.userCount()) === 0) await accounts.createUser(plan.userName, plan.password);
  const caller = await accounts.verifyPassword(plan.userName, plan.password);
  const { secret } = await accounts.issueSecret(caller, 'device', 'holdfast up');
  await writePrivateFile(path, JSON.stringify({ userName: plan.userName, token: secret }));
  return { ...plan, token: secret };
}

/** Five bits a character, 120 in all, in groups that can be typed. */
function makePassword(): string {
  const characters = Array.from({ length: passwordCharacters }, () => alphabet[randomInt(alphabet.length)] ?? '');
  return characters.join('').replaceAll(/(.{6})(?=.)/g, '$1-');
}
