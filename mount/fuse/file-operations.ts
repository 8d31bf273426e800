import { fsyncFlags, opcodes, openFlags, openRequestFlags, seekWhence, writeFlags } from './constants.ts';
import { FuseError } from './errno.ts';
import type { FuseFilesystem } from './fuse-filesystem.ts';
import type { OperationTable } from './operation.ts';
import { writeOpened } from './replies.ts';
import type { Reply } from './replies.ts';
import type { Request } from './requests.ts';

/** Requests about open files. */
export function defineFileOperations(table: OperationTable, filesystem: FuseFilesystem): void {
  defineOpening(table, filesystem);
  defineTransfer(table, filesystem);
  defineRanges(table, filesystem);
  defineCopying(table, filesystem);
}

function defineOpening(table: OperationTable, filesystem: FuseFilesystem): void {
  table.define(opcodes.open, filesystem.open?.bind(filesystem), (open) => ({
    bodyBytesMin: 8,
    call: (request, context) => {
      const killPrivileges = (request.u32(4) & openRequestFlags.killPrivileges) !== 0;
      return open(context, request.nodeId, request.u32(0), killPrivileges);
    },
    encode: writeOpened,
  }));
  table.define(opcodes.flush, filesystem.flush?.bind(filesystem), (flush) => ({
    bodyBytesMin: 24,
    call: (request, context) => flush(context, request.nodeId, request.u64(0)),
  }));
  table.define(opcodes.release, filesystem.release?.bind(filesystem), (release) => ({
    bodyBytesMin: 24,
    call: (request, context) => release(context, request.nodeId, request.u64(0)),
  }));
  table.define(opcodes.fsync, filesystem.fsync?.bind(filesystem), (fsync) => ({
    bodyBytesMin: 16,
    call: (request, context) => {
      const dataOnly = (request.u32(8) & fsyncFlags.dataOnly) !== 0;
      return fsync(context, request.nodeId, request.u64(0), dataOnly);
    },
  }));
}

function defineTransfer(table: OperationTable, filesystem: FuseFilesystem): void {
  table.define(opcodes.read, filesystem.read?.bind(filesystem), (read) => ({
    bodyBytesMin: 40,
    call: (request, context, reply) => {
      const target = reply.bodyTarget(request.u32(16));
      return read(context, request.nodeId, request.u64(0), request.position(8), target);
    },
    encode: (reply, bytesRead) => reply.setBodyLength(bytesRead),
  }));
  table.define(opcodes.write, filesystem.write?.bind(filesystem), (write) => ({
    bodyBytesMin: 40,
    holdsRequest: true,
    call: (request, context) => {
      const flags = request.u32(20);
      const how = {
        append: (request.u32(32) & openFlags.append) !== 0,
        killPrivileges: (flags & writeFlags.killPrivileges) !== 0,
        fromCache: (flags & writeFlags.cache) !== 0,
      };
      const data = request.bytes(40, request.u32(16));
      return write(context, request.nodeId, request.u64(0), request.position(8), data, how);
    },
    encode: writeCount,
  }));
}

/** struct fuse_write_out. */
function writeCount(reply: Reply, count: number): void {
  reply.u32(0, count);
  reply.u32(4, 0);
  reply.setBodyLength(8);
}

/** A 64-bit number alone: struct fuse_lseek_out, struct fuse_copy_file_range_out. */
function writeNumber(reply: Reply, value: number): void {
  reply.u64(0, value);
  reply.setBodyLength(8);
}

function defineRanges(table: OperationTable, filesystem: FuseFilesystem): void {
  table.define(opcodes.fallocate, filesystem.fallocate?.bind(filesystem), (fallocate) => ({
    bodyBytesMin: 32,
    call: (request, context) => {
      const [offset, length] = [request.position(8), request.position(16)];
      return fallocate(context, request.nodeId, request.u64(0), offset, length, request.u32(24));
    },
  }));
  table.define(opcodes.lseek, filesystem.lseek?.bind(filesystem), (lseek) => ({
    bodyBytesMin: 24,
    call: (request, context) => {
      const whence = request.u32(16);
      if (whence !== seekWhence.data && whence !== seekWhence.hole) throw new FuseError('EINVAL');
      const kind = whence === seekWhence.data ? 'data' : 'hole';
      // lseek(2): neither before the start nor beyond the end is anything to be found.
      const offset = request.u64(8);
      if (offset > Number.MAX_SAFE_INTEGER) throw new FuseError('ENXIO');
      return lseek(context, request.nodeId, request.u64(0), offset, kind);
    },
    encode: writeNumber,
  }));
}

/** The largest count that fits both the 32-bit reply and the kernel's own limit of one call (MAX_RW_COUNT). */
const copyBytesMax = 0x7ffff000;

function defineCopying(table: OperationTable, filesystem: FuseFilesystem): void {
  const copy = filesystem.copyFileRange?.bind(filesystem);
  const parts = (handler: NonNullable<typeof copy>, encode: (reply: Reply, count: number) => void) => ({
    bodyBytesMin: 56,
    call: (request: Request, context: Parameters<typeof handler>[0]) => {
      if (request.u64(48) !== 0) throw new FuseError('EINVAL');
      return handler(
        context,
        { ino: request.nodeId, fh: request.u64(0), offset: request.position(8) },
        { ino: request.u64(16), fh: request.u64(24), offset: request.position(32) },
        Math.min(request.u64(40), copyBytesMax),
      );
    },
    encode,
  });
  table.define(opcodes.copyFileRange, copy, (handler) => parts(handler, writeCount));
  table.define(opcodes.copyFileRange64, copy, (handler) => parts(handler, writeNumber));
}
