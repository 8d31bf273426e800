/** How long each stage of talking to a server may take. */
export interface RemoteTimeouts {
  /** Until the connection, TLS included, stands. */
  readonly connectMs: number;
  /** From the last byte of a request to the head of its answer: a large commit takes its time. */
  readonly headersMs: number;
  /** While bodies move: from one piece to the next. */
  readonly idleMs: number;
}

export const defaultRemoteTimeouts: RemoteTimeouts = { connectMs: 10_000, headersMs: 120_000, idleMs: 30_000 };

/** A server and what proves this device to it. */
export interface RemoteServer {
  /** `http://host:port` or `https://…`; a path is ignored. */
  readonly url: string;
  /** A device token; `null` only to log in. */
  readonly token: string | null;
  /** PEM certificates to trust besides the system's, for servers with one of their own making. */
  readonly ca?: string;
  readonly timeouts?: RemoteTimeouts;
}
