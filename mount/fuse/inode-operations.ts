import { getattrFlags, opcodes, xattrFlags } from './constants.ts';
import { FuseError } from './errno.ts';
import type { FuseFilesystem, FuseXattrMode, MaybePromise } from './fuse-filesystem.ts';
import { isDriveError } from '../../protocol/errors.ts';
import type { OperationTable } from './operation.ts';
import { writeAttributesReply, writeStatfs } from './replies.ts';
import type { Reply } from './replies.ts';
import { readSetAttributes } from './requests.ts';

/** Requests about an inode itself: attributes, extended attributes, a symlink's target, the filesystem's figures. */
export function defineInodeOperations(table: OperationTable, filesystem: FuseFilesystem): void {
  defineXattrReading(table, filesystem);
  defineXattrWriting(table, filesystem);

  table.define(opcodes.getattr, filesystem.getattr.bind(filesystem), (getattr) => ({
    bodyBytesMin: 16,
    call: (request, context) => {
      const fh = (request.u32(0) & getattrFlags.fh) === 0 ? undefined : request.u64(8);
      return getattr(context, request.nodeId, fh);
    },
    encode: writeAttributesReply,
  }));
  table.define(opcodes.setattr, filesystem.setattr?.bind(filesystem), (setattr) => ({
    bodyBytesMin: 88,
    call: (request, context) => setattr(context, request.nodeId, readSetAttributes(request)),
    encode: writeAttributesReply,
  }));
  table.define(opcodes.readlink, filesystem.readlink?.bind(filesystem), (readlink) => ({
    bodyBytesMin: 0,
    call: (request, context) => readlink(context, request.nodeId),
    encode: (reply, target) => reply.setBodyLength(reply.text(0, target)),
  }));
  table.define(opcodes.statfs, filesystem.statfs?.bind(filesystem), (statfs) => ({
    bodyBytesMin: 0,
    call: (request, context) => statfs(context, request.nodeId),
    encode: writeStatfs,
  }));
}

/** Answers with the value, or with its size if the caller's buffer is empty; ERANGE if it is too small. */
function writeSizedValue(reply: Reply, value: Uint8Array): void {
  if (reply.limitBytes === 0) {
    reply.u32(0, value.length);
    reply.u32(4, 0);
    reply.setBodyLength(8);
    return;
  }
  if (value.length > reply.limitBytes) throw new FuseError('ERANGE');
  reply.bytes(0, value);
  reply.setBodyLength(value.length);
}

function defineXattrReading(table: OperationTable, filesystem: FuseFilesystem): void {
  table.define(opcodes.getxattr, filesystem.getxattr?.bind(filesystem), (getxattr) => ({
    bodyBytesMin: 10,
    call: (request, context, reply) => {
      reply.limitBytes = request.u32(0);
      return getxattr(context, request.nodeId, request.name(8));
    },
    encode: (reply, value) => {
      if (value === undefined) throw new FuseError('ENODATA');
      writeSizedValue(reply, value);
    },
  }));
  table.define(opcodes.listxattr, filesystem.listxattr?.bind(filesystem), (listxattr) => ({
    bodyBytesMin: 8,
    call: (request, context, reply) => {
      reply.limitBytes = request.u32(0);
      return listxattr(context, request.nodeId);
    },
    encode: (reply, names) => writeSizedValue(reply, Buffer.from(names.map((name) => `${name}\0`).join(''))),
  }));
}

function xattrMode(flags: number): FuseXattrMode {
  switch (flags) {
    case 0:
      return 'any';
    case xattrFlags.create:
      return 'create';
    case xattrFlags.replace:
      return 'replace';
    default:
      throw new FuseError('EINVAL');
  }
}

/** For extended attributes "not found" is ENODATA: the inode is there, the attribute is not. */
function asMissingAttribute(error: unknown): unknown {
  return isDriveError(error, 'notFound') ? new FuseError('ENODATA', error.message) : error;
}

function withMissingAttribute(call: () => MaybePromise<void>): MaybePromise<void> {
  try {
    const result = call();
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      throw asMissingAttribute(error);
    });
  } catch (error) {
    throw asMissingAttribute(error);
  }
}

function defineXattrWriting(table: OperationTable, filesystem: FuseFilesystem): void {
  table.define(opcodes.setxattr, filesystem.setxattr?.bind(filesystem), (setxattr) => ({
    bodyBytesMin: 10,
    holdsRequest: true,
    call: (request, context) => {
      const name = request.name(8);
      const value = request.bytes(request.nameEnd(8) + 1, request.u32(0));
      const mode = xattrMode(request.u32(4));
      return withMissingAttribute(() => setxattr(context, request.nodeId, name, value, mode));
    },
  }));
  table.define(opcodes.removexattr, filesystem.removexattr?.bind(filesystem), (removexattr) => ({
    bodyBytesMin: 2,
    call: (request, context) => {
      const name = request.name(0);
      return withMissingAttribute(() => removexattr(context, request.nodeId, name));
    },
  }));
}
