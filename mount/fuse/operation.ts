import type { FuseTimeouts, MaybePromise } from './fuse-filesystem.ts';
import type { Reply } from './replies.ts';
import type { RequestContext } from './request-context.ts';
import type { Request } from './requests.ts';

/** How one kind of request is answered, bound to a filesystem. */
export interface Operation {
  /** A request with a shorter body is malformed. */
  readonly bodyBytesMin: number;
  /**
   * Whether the handler works on views of the request's buffer, so that the buffer must stay as it is until the
   * handler's promise settles.
   */
  readonly holdsRequest: boolean;
  /** Reads the request, all of it before anything is awaited, and calls the handler. Throws what the handler throws. */
  call(request: Request, context: RequestContext, reply: Reply): unknown;
  /** Writes what `call` returned (or what its promise gave) as the body of the reply. */
  encode(reply: Reply, value: unknown): void;
}

interface OperationParts<Value> {
  readonly bodyBytesMin: number;
  readonly holdsRequest?: boolean;
  readonly call: (request: Request, context: RequestContext, reply: Reply) => MaybePromise<Value>;
  readonly encode?: (reply: Reply, value: Value, timeouts: FuseTimeouts) => void;
}

/** The body, if any, was written by the handler itself. */
const noBody = (): void => undefined;

/** The operations of one filesystem, by opcode; what is not there is answered ENOSYS. */
export class OperationTable {
  readonly #operations: (Operation | undefined)[] = [];
  readonly #timeouts: FuseTimeouts;

  constructor(timeouts: FuseTimeouts) {
    this.#timeouts = timeouts;
  }

  /** Adds an operation if the filesystem has a handler for it. Without `encode` the reply has no body. */
  define<Handler, Value>(
    opcode: number,
    handler: Handler | undefined,
    parts: (handler: Handler) => OperationParts<Value>,
  ): void {
    if (handler === undefined) return;
    const { bodyBytesMin, holdsRequest = false, call, encode = noBody } = parts(handler);
    const timeouts = this.#timeouts;
    this.#operations[opcode] = {
      bodyBytesMin,
      holdsRequest,
      call,
      encode: (reply, value) => encode(reply, value as Value, timeouts),
    };
  }

  find(opcode: number): Operation | undefined {
    return this.#operations[opcode];
  }
}
