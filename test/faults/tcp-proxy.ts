import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy on loopback that can delay each direction and cut the line, for tests of what a network does. */
export class TcpProxy {
  readonly #server: Server;
  readonly #target: { host: string; port: number };
  readonly #delayMs: number;
  readonly #sockets = new Set<Socket>();
  #cut = false;
  #frozen = false;
  #forwardedBytes = 0;
  #stall: { readonly atBytes: number; readonly reached: () => void } | undefined;

  private constructor(server: Server, target: { host: string; port: number }, delayMs: number) {
    this.#server = server;
    this.#target = target;
    this.#delayMs = delayMs;
  }

  /**
   * Forwards to `host:port`; each direction is late by `delayMs`, with pipelining kept and bandwidth unlimited. A new
   * connection takes a round trip more, as the handshake of TCP would.
   */
  static async open(host: string, port: number, delayMs = 0): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new TcpProxy(server, { host, port }, delayMs);
    server.on('connection', (socket) => proxy.#forward(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks every connection and refuses new ones until `heal`. */
  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  heal(): void {
    this.#cut = false;
  }

  /** Bytes that went towards the target so far. */
  get forwardedBytes(): number {
    return this.#forwardedBytes;
  }

  /** Lets `byteLength` more bytes through towards the target, give or take what a socket reads at once, and resolves when they are: from then on none. */
  stallAfter(byteLength: number): Promise<void> {
    return new Promise((reached) => {
      this.#stall = { atBytes: this.#forwardedBytes + byteLength, reached };
    });
  }

  /** Connections made from now on work again; those that hang are cut. */
  endStall(): void {
    this.#stall = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From now on not one byte passes, either way, and nobody is told: connections stand, and new ones are taken. */
  freeze(): void {
    this.#frozen = true;
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  /** Connections made from now on work again; those that were frozen are cut. */
  thaw(): void {
    this.#frozen = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #forward(near: Socket): void {
    if (this.#cut) {
      near.destroy();
      return;
    }
    if (this.#frozen) {
      this.#sockets.add(near);
      near.on('error', () => near.destroy());
      near.on('close', () => this.#sockets.delete(near));
      return;
    }
    const far = connect(this.#target);
    const openMs = performance.now() + 2 * this.#delayMs;
    near.on('data', (bytes) => {
      this.#forwardedBytes += bytes.length;
      if (this.#stall === undefined || this.#forwardedBytes < this.#stall.atBytes) return;
      near.unpipe(far);
      near.pause();
      this.#stall.reached();
    });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#delayMs === 0) from.pipe(to);
      else this.#delay(from, to, openMs);
    }
  }

  #delay(from: Socket, to: Socket, openMs: number): void {
    const due: { readonly atMs: number; readonly act: () => void }[] = [];
    const actWhatIsDue = (): void => {
      for (let next = due[0]; next !== undefined && next.atMs <= performance.now(); next = due[0]) {
        due.shift();
        next.act();
      }
      const [next] = due;
      if (next !== undefined) setTimeout(actWhatIsDue, Math.ceil(next.atMs - performance.now()));
    };
    const later = (act: () => void): void => {
      due.push({ atMs: Math.max(performance.now(), openMs) + this.#delayMs, act });
      if (due.length === 1) actWhatIsDue();
    };
    from.on('data', (bytes) => later(() => to.writable && to.write(bytes)));
    from.on('end', () => later(() => to.end()));
  }
}
