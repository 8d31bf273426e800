import { z } from 'zod';
import { DriveError } from '../protocol/errors.ts';
import { readFileIfThere, writePrivateFile } from './private-file.ts';

const loginSchema = z.object({ server: z.url(), userName: z.string(), token: z.string() });
const fileSchema = z.object({ logins: z.array(loginSchema) });

/** A server this user has logged in to, and the device token it gave. */
export type Login = z.infer<typeof loginSchema>;

/** The saved logins, the latest first; a file readable by its user only. */
export class Logins {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async all(): Promise<readonly Login[]> {
    const text = await readFileIfThere(this.#path);
    if (text === undefined) return [];
    try {
      return fileSchema.parse(JSON.parse(text)).logins;
    } catch (cause) {
      throw new DriveError('invalidArgument', `${this.#path} is damaged; remove it and log in again`, { cause });
    }
  }

  /** Keeps `login` in place of an earlier one at the same server. */
  async save(login: Login): Promise<void> {
    const others = (await this.all()).filter((other) => other.server !== login.server);
    await writePrivateFile(this.#path, JSON.stringify({ logins: [login, ...others] }, null, 2));
  }

  /** The login at `server`, or the latest if none is named. Throws `unauthenticated` if there is none. */
  async find(server?: string): Promise<Login> {
    const wanted = server === undefined ? undefined : new URL(server).origin;
    const login = (await this.all()).find((one) => wanted === undefined || one.server === wanted);
    if (login !== undefined) return login;
    throw new DriveError(
      'unauthenticated',
      `not logged in${server === undefined ? '' : ` at ${server}`}: run "holdfast login URL" first`,
    );
  }
}
