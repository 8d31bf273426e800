import { close } from 'node:fs';
import { promisify } from 'node:util';
import { readInto, waitReadable, whenReadable, writeFrom } from './system-calls.ts';
import type { Readiness } from './system-calls.ts';

/** The connection to the kernel: one open /dev/fuse, non-blocking. A number below 0 is a negated errno. */
export interface Device {
  /** For notifications and passthrough. */
  readonly fd: number;
  /** Reads one whole request; `-EAGAIN` if there is none. */
  read(buffer: Buffer): number;
  /** Writes one whole reply of `length` bytes. */
  write(buffer: Buffer, length: number): number;
  /** Waits on this thread, for at most `timeoutUs`, until a request is there: whether one is. */
  waitBriefly(timeoutUs: number): boolean;
  /** Calls `ready` from the event loop while there is a request (or an end) to read; see `whenReadable`. */
  whenReadable(ready: () => void): Readiness;
  /** Ends the connection if the mount is still there. */
  close(): Promise<void>;
}

const closeDescriptor = promisify(close);

/** The device behind an open descriptor, which it owns from now on. */
export function deviceOf(fd: number): Device {
  return {
    fd,
    read: (buffer) => readInto(fd, buffer),
    write: (buffer, length) => writeFrom(fd, buffer, length),
    waitBriefly: (timeoutUs) => waitReadable(fd, timeoutUs) > 0,
    whenReadable: (ready) => whenReadable(fd, ready),
    close: () => closeDescriptor(fd),
  };
}
