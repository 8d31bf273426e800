import koffi from 'koffi';

/**
 * The system calls that Node has no function for, or none cheap enough. Each returns its result, or the negated
 * errno: no exception is made for what is ordinary (EAGAIN).
 */

const libc = koffi.load(null);

type NativeFunction = (...args: readonly unknown[]) => number;
type AsyncNativeFunction = (...args: readonly unknown[]) => void;

function declare(declaration: string): NativeFunction {
  return libc.func(declaration) as NativeFunction;
}

const nativeRead = declare('int64_t read(int fd, void *buffer, size_t count)');
const nativeWrite = declare('int64_t write(int fd, const void *buffer, size_t count)');
const nativePpoll = declare('int ppoll(void *fds, unsigned long count, const void *timeout, const void *mask)');
const nativeMount = declare(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
const nativeIoctlPointer = declare('int ioctl(int fd, unsigned long request, void *argument)');
const nativeSocketpair = declare('int socketpair(int domain, int type, int protocol, void *fds)');
const nativeRecvmsg = declare('int64_t recvmsg(int fd, void *message, int flags)');
const nativeUmount2 = libc.func('int umount2(const char *target, int flags)');
const nativeSyncfs = libc.func('int syncfs(int fd)');

const orErrno = (result: number): number => (result >= 0 ? result : -koffi.errno());

export function readInto(fd: number, buffer: Buffer): number {
  return orErrno(nativeRead(fd, buffer, buffer.length));
}

/** Writes the first `length` bytes of `buffer`. */
export function writeFrom(fd: number, buffer: Buffer, length: number): number {
  return orErrno(nativeWrite(fd, buffer, length));
}

const pollIn = 0x1;
const pollFd = Buffer.alloc(8);
const pollTimeout = Buffer.alloc(16);

/** Blocks this thread until `fd` can be read or failed, but no longer than `timeoutUs` (below a second): 1 or 0. */
export function waitReadable(fd: number, timeoutUs: number): number {
  pollFd.writeInt32LE(fd, 0);
  pollFd.writeInt16LE(pollIn, 4);
  pollTimeout.writeUInt32LE(timeoutUs * 1000, 8);
  return orErrno(nativePpoll(pollFd, 1, pollTimeout, null));
}

export const mountFlags = { readOnly: 0x1, noSetuid: 0x2, noDevices: 0x4 } as const;

/** mount(2). Returns at once: FUSE does not wait for its INIT. */
export function mountFilesystemType(source: string, target: string, type: string, flags: number, data: string): number {
  return orErrno(nativeMount(source, target, type, flags, data));
}

export const unmountFlags = { detach: 0x2 } as const;

/**
 * umount2(2), from the thread pool: the kernel may first write dirty pages back through the very mount that this
 * thread serves.
 */
export function unmountTarget(target: string, flags: number): Promise<number> {
  const call = nativeUmount2.async as AsyncNativeFunction;
  return new Promise((resolve, reject) => {
    call(target, flags, (error: unknown, result: number) => {
      if (error instanceof Error) reject(error);
      else resolve(orErrno(result));
    });
  });
}

/** syncfs(2), from the thread pool: what it writes back goes through the mount that this thread serves. */
export function syncFilesystem(fd: number): Promise<number> {
  const call = nativeSyncfs.async as AsyncNativeFunction;
  return new Promise((resolve, reject) => {
    call(fd, (error: unknown, result: number) => {
      if (error instanceof Error) reject(error);
      else resolve(orErrno(result));
    });
  });
}

export function ioctl(fd: number, request: number, argument: Buffer): number {
  return orErrno(nativeIoctlPointer(fd, request, argument));
}

const afUnix = 1;
const sockStream = 1;
const closeOnExec = 0o2000000;

/** A pair of connected stream sockets, closed on exec. */
export function socketPair(): readonly [number, number] | number {
  const fds = Buffer.alloc(8);
  const result = orErrno(nativeSocketpair(afUnix, sockStream | closeOnExec, 0, fds));
  return result < 0 ? result : [fds.readInt32LE(0), fds.readInt32LE(4)];
}

/** Does not wait; the descriptor is closed on exec. */
const receiveFlags = 0x40 | 0x40000000;

/**
 * Takes one descriptor that was sent over a socket (SCM_RIGHTS, unix(7)) and is there already. Returns it, or the
 * negated errno, or 0 if the message held none.
 */
export function receiveDescriptor(socket: number): number {
  const data = Buffer.alloc(8);
  const vector = Buffer.alloc(16);
  const control = Buffer.alloc(64);
  const message = Buffer.alloc(56);
  vector.writeBigUInt64LE(BigInt(koffi.address(data)), 0);
  vector.writeBigUInt64LE(1n, 8);
  // struct msghdr on 64-bit Linux: name, namelen, iov at 16, iovlen at 24, control at 32, controllen at 40, flags.
  message.writeBigUInt64LE(BigInt(koffi.address(vector)), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(BigInt(koffi.address(control)), 32);
  message.writeBigUInt64LE(BigInt(control.length), 40);
  const result = orErrno(nativeRecvmsg(socket, message, receiveFlags));
  if (result < 0) return result;
  // struct cmsghdr: length, level (SOL_SOCKET), type (SCM_RIGHTS), then the descriptor.
  const holdsDescriptor =
    control.readUInt32LE(0) >= 20 && control.readInt32LE(8) === 1 && control.readInt32LE(12) === 1;
  return holdsDescriptor ? control.readInt32LE(16) : 0;
}

export interface Readiness {
  /** Stops waiting, for good. */
  close(): void;
}

/**
 * Calls `ready` from the event loop whenever `fd` can be read or failed, again and again until it is no longer so.
 * It is called outside of Node's callback scope: what it queues as microtask runs only with the next callback of Node,
 * so it must do its work from `setImmediate`.
 */
export function whenReadable(fd: number, ready: () => void): Readiness {
  return koffi.node.poll(fd, { readable: true }, ready);
}
