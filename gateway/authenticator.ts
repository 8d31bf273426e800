import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Accounts, Caller } from '../protocol/accounts.ts';
import type { Clock } from '../protocol/environment.ts';
import { DriveError, isDriveError } from '../protocol/errors.ts';
import { BoundedTurns } from './bounded-turns.ts';
import { parseCredentials } from './credentials.ts';
import { FailureLimiter } from './failure-limiter.ts';
import type { GatewayLimits } from './gateway-limits.ts';

export interface AuthenticatorOptions {
  readonly accounts: Accounts;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
}

/** Finds out who is calling. Every failure counts against the address, and the address and user together. */
export class Authenticator {
  readonly #accounts: Accounts;
  readonly #limits: GatewayLimits;
  readonly #failures: FailureLimiter;
  readonly #passwordTurns: BoundedTurns;

  constructor({ accounts, clock, limits }: AuthenticatorOptions) {
    this.#accounts = accounts;
    this.#limits = limits;
    this.#failures = new FailureLimiter({ clock, windowMs: limits.failureWindowMs });
    this.#passwordTurns = new BoundedTurns(limits.passwordChecksMax, limits.passwordChecksWaitingMax);
  }

  /** The caller behind a device token. Throws `unauthenticated` or `rateLimited`. */
  async bearer(request: IncomingMessage): Promise<Caller> {
    const credentials = parseCredentials(request.headers.authorization);
    if (credentials.scheme !== 'bearer') {
      throw new DriveError('unauthenticated', 'the API takes a device token: log in to get one');
    }
    return this.#token(request, credentials.token);
  }

  /** The caller behind a device token, an app password or the user's own. Throws likewise. */
  async basicOrBearer(request: IncomingMessage): Promise<Caller> {
    const credentials = parseCredentials(request.headers.authorization);
    if (credentials.scheme === 'bearer') return this.#token(request, credentials.token);
    const { user, password } = credentials;
    return this.#limited(request, user, () =>
      this.#passwordTurns.run(() => this.#accounts.verifyBasic(user, password)),
    );
  }

  /** The caller with this name and password, for logging in. Throws likewise. */
  async password(request: IncomingMessage, user: string, password: string): Promise<Caller> {
    return this.#limited(request, user, () =>
      this.#passwordTurns.run(() => this.#accounts.verifyPassword(user, password)),
    );
  }

  async #token(request: IncomingMessage, token: string): Promise<Caller> {
    // Each wrong token counts for itself: a revoked device that tries on must not shut out others at its address.
    const name = hash('sha256', token, 'hex');
    return this.#limited(request, name, () => this.#accounts.verifyToken(token));
  }

  async #limited(request: IncomingMessage, user: string, verify: () => Promise<Caller>): Promise<Caller> {
    const address = request.socket.remoteAddress ?? '';
    const both = `${address} ${user}`;
    this.#failures.check(both, this.#limits.loginFailuresMax);
    this.#failures.check(address, this.#limits.addressFailuresMax);
    try {
      const caller = await verify();
      this.#failures.succeeded(both);
      return caller;
    } catch (error) {
      if (isDriveError(error, 'unauthenticated')) {
        this.#failures.failed(both);
        this.#failures.failed(address);
      }
      throw error;
    }
  }
}
