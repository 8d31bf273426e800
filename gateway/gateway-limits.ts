/** What one gateway gives to its clients. All of it bounds time or memory; tests pass smaller figures. */
export interface GatewayLimits {
  readonly connectionsMax: number;
  readonly headerBytesMax: number;
  /** From the first byte of a request to the last of its headers. */
  readonly headersTimeoutMs: number;
  /** How often the previous bound is looked at. */
  readonly headersCheckMs: number;
  /** A connection on which nothing moves is closed. There is no bound for a whole request: uploads may take hours. */
  readonly idleTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** A body must come at this rate on average, once `bodyGraceMs` have passed, or the request is given up. */
  readonly bodyBytesPerSecondMin: number;
  readonly bodyGraceMs: number;
  /** JSON bodies in memory at one time, over all requests. */
  readonly bufferedBodyBytesMax: number;
  /** Of a refused request's body, what is read and dropped so that the client gets to see the answer. */
  readonly leftoverBytesMax: number;
  readonly leftoverTimeoutMs: number;
  /** Failed log-ins in one window before an address and user, or an address, has to wait. */
  readonly loginFailuresMax: number;
  readonly addressFailuresMax: number;
  readonly failureWindowMs: number;
  /** Passwords checked at one time and waiting to be: scrypt is made to be slow. */
  readonly passwordChecksMax: number;
  readonly passwordChecksWaitingMax: number;
  /** How long requests under way may go on once the server is told to close. */
  readonly closeGraceMs: number;
  readonly readyTimeoutMs: number;
  readonly notificationConnectionsMax: number;
  readonly pingIntervalMs: number;
  /** How long a role may be remembered when deciding who hears of a commit. A notification carries no authority. */
  readonly roleCacheMs: number;
}

const mib = 1024 * 1024;

export const defaultGatewayLimits: GatewayLimits = {
  connectionsMax: 4096,
  headerBytesMax: 32 * 1024,
  headersTimeoutMs: 20_000,
  headersCheckMs: 5_000,
  idleTimeoutMs: 120_000,
  keepAliveTimeoutMs: 75_000,
  bodyBytesPerSecondMin: 1024,
  bodyGraceMs: 30_000,
  bufferedBodyBytesMax: 256 * mib,
  leftoverBytesMax: 64 * mib,
  leftoverTimeoutMs: 10_000,
  loginFailuresMax: 10,
  addressFailuresMax: 300,
  failureWindowMs: 60_000,
  passwordChecksMax: 2,
  passwordChecksWaitingMax: 64,
  closeGraceMs: 10_000,
  readyTimeoutMs: 2_000,
  notificationConnectionsMax: 2048,
  pingIntervalMs: 30_000,
  roleCacheMs: 2_000,
};
