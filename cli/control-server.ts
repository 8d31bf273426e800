import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { asDriveError } from '../protocol/errors.ts';
import {
  controlLineBytesMax,
  controlRequestSchema,
  type ControlReply,
  type ControlRequest,
} from './control-protocol.ts';

const socketPathBytesMax = 107;

/** Serves a mount's control socket until closed. */
export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #path: string;

  private constructor(path: string, server: Server) {
    this.#path = path;
    this.#server = server;
  }

  /** Listens on `path`, taking the place of a socket left by a dead process. */
  static async listen(path: string, answer: (request: ControlRequest) => Promise<unknown>): Promise<ControlServer> {
    if (Buffer.byteLength(path) > socketPathBytesMax) {
      throw new Error(`the path of the control socket is too long for a socket: ${path}`);
    }
    await rm(path, { force: true });
    const server = createServer();
    const control = new ControlServer(path, server);
    server.on('connection', (socket) => control.#serve(socket, answer));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return control;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.end();
    await closed;
    await rm(this.#path, { force: true });
  }

  #serve(socket: Socket, answer: (request: ControlRequest) => Promise<unknown>): void {
    this.#sockets.add(socket);
    let received = '';
    socket.setEncoding('utf8');
    // The other end may be gone before its answer; that is its affair.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (text: string) => {
      received += text;
      if (received.length > controlLineBytesMax) socket.destroy();
      const end = received.indexOf('\n');
      if (end < 0) return;
      socket.pause();
      void replyTo(received.slice(0, end), answer).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
    });
  }
}

async function replyTo(line: string, answer: (request: ControlRequest) => Promise<unknown>): Promise<ControlReply> {
  try {
    return { result: await answer(controlRequestSchema.parse(JSON.parse(line))) };
  } catch (thrown) {
    const error = asDriveError(thrown);
    return { error: { code: error.code, message: error.message } };
  }
}
