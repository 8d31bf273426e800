import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** A connection on which a test says exactly what it wants. */
export class RawConnection {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #received = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (piece: Buffer) => {
      this.#received += piece.toString('latin1');
    });
    // A reset is one of the ways in which the server may end it.
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  get received(): string {
    return this.#received;
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(this.#received)?.[1]);
  }
}

/** What comes back for `text` until the server ends the connection. */
export async function exchangeRaw(port: number, text: string | Uint8Array): Promise<RawConnection> {
  const connection = new RawConnection(port);
  connection.socket.write(text);
  await connection.closed;
  return connection;
}
