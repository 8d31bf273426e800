import type { NamespaceId } from './ids.ts';
import type { Caller } from './accounts.ts';

/** An expiring lock on a path, shared by all gateways (RFC 4918 §6). Paths are name lists from the root. */
export interface Lease {
  /** An absolute URI (`urn:uuid:…`), made by the store. */
  readonly token: string;
  readonly path: readonly string[];
  /** Whether all below `path` is locked too. */
  readonly deep: boolean;
  readonly exclusive: boolean;
  /** What the client said of its owner: opaque XML or text, at most 4 KiB. */
  readonly owner: string;
  readonly userName: string;
  readonly expiresMs: number;
}

export interface LeaseRequest {
  readonly path: readonly string[];
  readonly deep: boolean;
  readonly exclusive: boolean;
  readonly owner: string;
  readonly durationMs: number;
}

/** Locks by path. An expired lease is as if it had never been. Each call needs a role: reading `read`, the others `write`. */
export interface Leases {
  /** Throws `locked` if a lease that covers `path` (or, for a deep one, lies below it) is not compatible. */
  acquire(caller: Caller, namespace: NamespaceId, request: LeaseRequest): Promise<Lease>;
  /** Extends from now. Throws `notFound` if it expired, `forbidden` if another user holds it. */
  refresh(caller: Caller, namespace: NamespaceId, token: string, durationMs: number): Promise<Lease>;
  /** Throws `notFound` or `forbidden` likewise. */
  release(caller: Caller, namespace: NamespaceId, token: string): Promise<void>;
  /** The leases that cover `path` itself and, if `below`, those on anything under it. */
  covering(caller: Caller, namespace: NamespaceId, path: readonly string[], below: boolean): Promise<readonly Lease[]>;
  /** Drops the leases on `path` and all under it: they do not travel with a move and end with a delete (RFC 4918 §7.5, §9.6). */
  dropUnder(caller: Caller, namespace: NamespaceId, path: readonly string[]): Promise<void>;
}
