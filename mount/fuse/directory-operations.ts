import { fsyncFlags, opcodes } from './constants.ts';
import { DirectoryReply } from './directory-reply.ts';
import type { FuseFilesystem, FuseTimeouts } from './fuse-filesystem.ts';
import type { OperationTable } from './operation.ts';
import { writeOpened } from './replies.ts';

/** Requests about open directories. */
export function defineDirectoryOperations(
  table: OperationTable,
  filesystem: FuseFilesystem,
  timeouts: FuseTimeouts,
): void {
  table.define(opcodes.opendir, filesystem.opendir?.bind(filesystem), (opendir) => ({
    bodyBytesMin: 8,
    call: (request, context) => opendir(context, request.nodeId, request.u32(0)),
    encode: writeOpened,
  }));
  table.define(opcodes.readdir, filesystem.readdir?.bind(filesystem), (readdir) => ({
    bodyBytesMin: 40,
    call: (request, context, reply) => {
      const sink = new DirectoryReply(reply, 'names', request.u32(16), timeouts);
      return readdir(context, request.nodeId, request.u64(0), request.position(8), sink);
    },
  }));
  table.define(opcodes.readdirplus, filesystem.readdirplus?.bind(filesystem), (readdirplus) => ({
    bodyBytesMin: 40,
    call: (request, context, reply) => {
      const sink = new DirectoryReply(reply, 'plus', request.u32(16), timeouts);
      return readdirplus(context, request.nodeId, request.u64(0), request.position(8), sink);
    },
  }));
  table.define(opcodes.releasedir, filesystem.releasedir?.bind(filesystem), (releasedir) => ({
    bodyBytesMin: 24,
    call: (request, context) => releasedir(context, request.nodeId, request.u64(0)),
  }));
  table.define(opcodes.fsyncdir, filesystem.fsyncdir?.bind(filesystem), (fsyncdir) => ({
    bodyBytesMin: 16,
    call: (request, context) => {
      const dataOnly = (request.u32(8) & fsyncFlags.dataOnly) !== 0;
      return fsyncdir(context, request.nodeId, request.u64(0), dataOnly);
    },
  }));
}
