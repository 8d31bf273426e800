/**
 * Who asks, and whether they still wait. One per request; cheap enough to make for each.
 */
export class RequestContext {
  /** The kernel's number of the request, for logs. */
  readonly unique: number;
  /** The filesystem uid and gid of the calling process; `0xffffffff` if it has none in the mount's user namespace. */
  readonly uid: number;
  readonly gid: number;
  /** The calling thread; 0 where the kernel acts by itself (writeback) or for another pid namespace. */
  readonly pid: number;
  /** The caller's, in requests that make something; only with `FuseFilesystem.keepsAcls` has it not been applied yet. */
  umask = 0;

  #controller: AbortController | undefined;
  #interrupted = false;

  constructor(unique: number, uid: number, gid: number, pid: number) {
    this.unique = unique;
    this.uid = uid;
    this.gid = gid;
    this.pid = pid;
  }

  /** Whether the caller was interrupted by a signal (Ctrl-C) or the mount is going away. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  /**
   * Aborts when the caller is interrupted. A handler that may wait for long passes it on and lets the abort be thrown:
   * it is answered with EINTR. Made on first use, so that a handler which does not wait pays nothing.
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#interrupted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** For the session: the kernel sent INTERRUPT, or the connection ended. */
  interrupt(): void {
    this.#interrupted = true;
    this.#controller?.abort();
  }
}
