import { setTimeout as sleepFor } from 'node:timers/promises';
import { DriveError } from '../../protocol/errors.ts';
import { opcodes } from './constants.ts';
import type { Device } from './device.ts';
import { defineDirectoryOperations } from './directory-operations.ts';
import { enteredInos } from './directory-reply.ts';
import { errno, errnoOf, isDefect } from './errno.ts';
import { defineFileOperations } from './file-operations.ts';
import type { FuseFilesystem } from './fuse-filesystem.ts';
import { defineInodeOperations } from './inode-operations.ts';
import { defineNameOperations } from './name-operations.ts';
import { negotiate, requestBytesMax, transferBytesMax } from './negotiation.ts';
import type { NegotiationOptions } from './negotiation.ts';
import { Notifier } from './notify.ts';
import { OperationTable } from './operation.ts';
import type { Operation } from './operation.ts';
import { ReadLoop } from './read-loop.ts';
import type { ReadLoopTiming } from './read-loop.ts';
import { Reply, replyHeaderBytes, writeInit } from './replies.ts';
import { RequestContext } from './request-context.ts';
import { readInit, Request } from './requests.ts';
import { Spares } from './spares.ts';

export interface SessionOptions extends NegotiationOptions {
  readonly timing?: ReadLoopTiming;
  /** Told of whatever a handler threw that is no `DriveError` or `FuseError`: a defect of ours. */
  readonly onDefect: (error: unknown, opcode: number) => void;
}

/** A request whose handler's promise has not settled. */
interface Pending {
  readonly context: RequestContext;
  readonly settled: Promise<void>;
}

/**
 * One mount's conversation with the kernel, from INIT to the end: reads requests, calls the filesystem, answers.
 * The device is the session's from its start, and closed at its end.
 */
export class FuseSession {
  /** For telling the kernel what changed; closed with the session. */
  readonly notifier: Notifier;
  readonly #device: Device;
  readonly #filesystem: FuseFilesystem;
  readonly #options: SessionOptions;
  readonly #operations: OperationTable;
  readonly #loop: ReadLoop;
  readonly #pending = new Map<number, Pending>();
  readonly #requests = new Spares(() => new Request(requestBytesMax));
  readonly #replies = new Spares(() => new Reply(replyHeaderBytes + transferBytesMax));
  /** What the next request is read to and answered from; given away while a promise needs it. */
  #request = this.#requests.take();
  #reply = this.#replies.take();
  #ending = false;
  #closed = false;
  readonly #ended = Promise.withResolvers<void>();
  readonly #ready = Promise.withResolvers<void>();

  constructor(device: Device, filesystem: FuseFilesystem, options: SessionOptions) {
    this.notifier = new Notifier(device.fd);
    this.#device = device;
    this.#filesystem = filesystem;
    this.#options = options;
    this.#operations = operationsOf(filesystem);
    this.#loop = new ReadLoop(
      device,
      {
        nextBuffer: () => this.#request.buffer,
        serve: (length) => this.#serve(length),
        busyElsewhere: () => this.#pending.size > 0,
        ended: (code) => void this.#end(code),
      },
      options.timing,
    );
    // Whoever does not wait for the start learns of a failure from `ended`.
    this.#ready.promise.catch(() => undefined);
  }

  /** Starts to serve; resolves when INIT is agreed, rejects with `unsupported` or `unavailable` if it never is. */
  start(): Promise<void> {
    this.#loop.start();
    return this.#ready.promise;
  }

  /**
   * Resolves when the mount is gone and everything of it is closed; rejects with `unavailable` if the connection broke
   * instead.
   */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /**
   * Cuts the connection although the mount may still be in use: callers get errors. Idempotent. Requests are served
   * until no notification is under way, which could wait for one of them and would keep the connection open.
   */
  async abort(): Promise<void> {
    await this.notifier.close();
    this.#loop.stop();
    await this.#end(errno.ECONNABORTED);
  }

  #serve(length: number): void {
    const request = this.#request;
    request.length = length;
    const opcode = request.opcode;
    const operation = this.#operations.find(opcode);
    if (operation === undefined) return this.#serveOwn(opcode, request);
    const reply = this.#reply;
    reply.begin(request.unique);
    if (request.bodyLength < operation.bodyBytesMin) return this.#send(reply, errno.EINVAL);
    const context = new RequestContext(request.unique, request.uid, request.gid, request.pid);
    try {
      const value = operation.call(request, context, reply);
      if (value instanceof Promise) this.#park(operation, opcode, context, value);
      else this.#answer(operation, reply, value);
    } catch (error) {
      this.#fail(reply, error, opcode, context);
    }
  }

  #answer(operation: Operation, reply: Reply, value: unknown): void {
    operation.encode(reply, value);
    this.#send(reply, 0);
  }

  /** Sets a request aside until its promise settles; others are read and answered meanwhile. */
  #park(operation: Operation, opcode: number, context: RequestContext, value: Promise<unknown>): void {
    const reply = this.#reply;
    this.#reply = this.#replies.take();
    const request = operation.holdsRequest ? this.#request : undefined;
    if (request !== undefined) this.#request = this.#requests.take();

    const settled = value
      .then((result) => this.#answer(operation, reply, result))
      .catch((error: unknown) => this.#fail(reply, error, opcode, context))
      .finally(() => {
        this.#pending.delete(context.unique);
        this.#replies.giveBack(reply);
        if (request !== undefined) this.#requests.giveBack(request);
      });
    this.#pending.set(context.unique, { context, settled });
  }

  #fail(reply: Reply, error: unknown, opcode: number, context: RequestContext): void {
    if (isDefect(error)) this.#options.onDefect(error, opcode);
    if (opcode === opcodes.readdirplus) for (const ino of enteredInos(reply)) this.#forget(ino, 1);
    this.#send(reply, errnoOf(error, context.interrupted));
  }

  #send(reply: Reply, code: number): void {
    reply.finish(code);
    // A handler that settled too late: the descriptor may be somebody else's by now.
    if (this.#closed) return;
    const result = this.#device.write(reply.buffer, reply.length);
    // The kernel no longer waits (ENOENT), or the connection is gone: what the reply gave out was never received.
    if (result < 0 && reply.enteredIno !== 0) this.#forget(reply.enteredIno, 1);
  }

  /** The requests that are the session's own affair. */
  #serveOwn(opcode: number, request: Request): void {
    switch (opcode) {
      case opcodes.init:
        return this.#initialize(request);
      case opcodes.forget:
        return this.#forget(request.nodeId, request.u64(0));
      case opcodes.batchForget:
        return this.#forgetBatch(request);
      case opcodes.interrupt:
        // Not pending: it was answered already.
        return this.#pending.get(request.u64(0))?.context.interrupt();
      default:
        this.#reply.begin(request.unique);
        return this.#send(this.#reply, opcode === opcodes.destroy ? 0 : errno.ENOSYS);
    }
  }

  #forget(ino: number, lookups: number): void {
    try {
      this.#filesystem.forget(ino, lookups);
    } catch (error) {
      this.#options.onDefect(error, opcodes.forget);
    }
  }

  #forgetBatch(request: Request): void {
    const count = Math.min(request.u32(0), Math.floor((request.bodyLength - 8) / 16));
    for (let index = 0; index < count; index += 1) {
      const at = 8 + index * 16;
      this.#forget(request.u64(at), request.u64(at + 8));
    }
  }

  #initialize(request: Request): void {
    const reply = this.#reply;
    reply.begin(request.unique);
    try {
      const { reply: init, connection } = negotiate(readInit(request), this.#filesystem, this.#options);
      if (connection !== undefined) this.#filesystem.init?.(connection);
      writeInit(reply, init);
      this.#send(reply, 0);
      if (connection !== undefined) this.#ready.resolve();
    } catch (error) {
      this.#send(reply, errno.EPROTO);
      this.#ready.reject(error);
    }
  }

  /** Waits for handlers that were interrupted; one that never settles is a defect, and no reason to hang. */
  async #settlePending(): Promise<void> {
    if (this.#pending.size === 0) return;
    const waiting = new AbortController();
    const timeout = sleepFor(settleTimeoutMs, undefined, { signal: waiting.signal }).then(
      () => {
        const error = new DriveError('internal', `${this.#pending.size} interrupted requests were never answered`);
        this.#options.onDefect(error, opcodes.destroy);
      },
      () => undefined,
    );
    await Promise.race([Promise.all([...this.#pending.values()].map(({ settled }) => settled)), timeout]);
    waiting.abort();
  }

  async #end(code: number): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const orderly = code === errno.ENODEV || code === errno.ECONNABORTED;
    const error = new DriveError('unavailable', `the connection to the kernel's FUSE driver ended (errno ${code})`);
    this.#ready.reject(error);
    for (const { context } of this.#pending.values()) context.interrupt();
    try {
      await this.#settlePending();
      await this.notifier.close();
      await this.#filesystem.destroy?.();
      this.#closed = true;
      await this.#device.close();
      if (orderly) this.#ended.resolve();
      else this.#ended.reject(error);
    } catch (cause) {
      this.#ended.reject(cause);
    }
  }
}

/** How long handlers may take to notice that their callers are gone. */
const settleTimeoutMs = 10_000;

function operationsOf(filesystem: FuseFilesystem): OperationTable {
  const table = new OperationTable(filesystem.timeouts);
  defineNameOperations(table, filesystem);
  defineInodeOperations(table, filesystem);
  defineFileOperations(table, filesystem);
  defineDirectoryOperations(table, filesystem, filesystem.timeouts);
  return table;
}
