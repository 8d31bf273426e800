import type { DeviceId, NamespaceId, UserId } from './ids.ts';
import type { Role } from './roles.ts';

/** Who is calling: proven by a password or a token, checked on every request. */
export interface Caller {
  readonly user: UserId;
  readonly userName: string;
  /** The device whose token or app password was shown; `null` for the user's own password. */
  readonly device: DeviceId | null;
}

/** A secret in the one moment it is known: only its hash is stored. */
export interface IssuedSecret {
  readonly device: DeviceId;
  readonly secret: string;
}

export interface DeviceInfo {
  readonly device: DeviceId;
  readonly name: string;
  /** `device` tokens speak the API; `app` passwords log in to WebDAV. */
  readonly kind: 'device' | 'app';
  readonly createdMs: number;
}

/** Users and what proves them. Passwords are stored as scrypt hashes, tokens and app passwords as SHA-256. */
export interface Accounts {
  /** Makes a user and a namespace of their own, named like them. Throws `exists` or `invalidArgument`. */
  createUser(name: string, password: string): Promise<{ readonly user: UserId; readonly namespace: NamespaceId }>;

  userCount(): Promise<number>;

  /** The caller whose name and password these are, or throws `unauthenticated`, in the same time for an unknown name. */
  verifyPassword(name: string, password: string): Promise<Caller>;

  /** For HTTP Basic: accepts an app password, then the user's own. Throws `unauthenticated`. */
  verifyBasic(name: string, password: string): Promise<Caller>;

  /** The caller whose device token this is, or throws `unauthenticated`. */
  verifyToken(token: string): Promise<Caller>;

  /** A new device token or app password for the caller. */
  issueSecret(caller: Caller, kind: DeviceInfo['kind'], name: string): Promise<IssuedSecret>;

  devices(caller: Caller): Promise<readonly DeviceInfo[]>;

  /** The secret stops working at once. Throws `notFound` unless the device is the caller's. */
  revoke(caller: Caller, device: DeviceId): Promise<void>;

  /** A new namespace that the caller owns. */
  createNamespace(caller: Caller, name: string): Promise<NamespaceId>;

  /** Gives `userName` a role in a namespace the caller owns, or takes it away with `null`. */
  grant(caller: Caller, namespace: NamespaceId, userName: string, role: Role | null): Promise<void>;

  /** The caller's role there; `null` if none. */
  roleOf(caller: Caller, namespace: NamespaceId): Promise<Role | null>;
}
