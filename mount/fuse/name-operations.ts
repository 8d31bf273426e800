import { opcodes, renameFlags } from './constants.ts';
import { FuseError } from './errno.ts';
import type { FuseAttributes, FuseFilesystem, FuseRenameMode, FuseTimeouts } from './fuse-filesystem.ts';
import type { OperationTable } from './operation.ts';
import { writeCreated, writeEntry, writeNegativeEntry } from './replies.ts';
import type { Reply } from './replies.ts';

/** Requests about names in directories: finding, making, moving and removing them. */
export function defineNameOperations(table: OperationTable, filesystem: FuseFilesystem): void {
  defineMakingOperations(table, filesystem);
  defineFileMakingOperations(table, filesystem);
  defineRemovingOperations(table, filesystem);
  defineRenaming(table, filesystem);

  table.define(opcodes.lookup, filesystem.lookup.bind(filesystem), (lookup) => ({
    bodyBytesMin: 2,
    call: (request, context) => lookup(context, request.nodeId, request.name(0)),
    encode: writeEntryOrNegative,
  }));
}

function writeEntryOrNegative(reply: Reply, attributes: FuseAttributes | undefined, timeouts: FuseTimeouts): void {
  if (attributes === undefined) {
    // Without a timeout ENOENT says the same in fewer bytes.
    if (timeouts.negativeEntryMs === 0) throw new FuseError('ENOENT');
    writeNegativeEntry(reply, timeouts);
  } else {
    writeEntry(reply, attributes, timeouts);
  }
}

function defineMakingOperations(table: OperationTable, filesystem: FuseFilesystem): void {
  table.define(opcodes.symlink, filesystem.symlink?.bind(filesystem), (symlink) => ({
    bodyBytesMin: 4,
    call: (request, context) => symlink(context, request.nodeId, request.name(0), request.text(request.nameEnd(0) + 1)),
    encode: writeEntry,
  }));
  table.define(opcodes.mknod, filesystem.mknod?.bind(filesystem), (mknod) => ({
    bodyBytesMin: 18,
    call: (request, context) => {
      context.umask = request.u32(8);
      return mknod(context, request.nodeId, request.name(16), request.u32(0), request.u32(4));
    },
    encode: writeEntry,
  }));
  table.define(opcodes.mkdir, filesystem.mkdir?.bind(filesystem), (mkdir) => ({
    bodyBytesMin: 10,
    call: (request, context) => {
      context.umask = request.u32(4);
      return mkdir(context, request.nodeId, request.name(8), request.u32(0) & 0o7777);
    },
    encode: writeEntry,
  }));
  table.define(opcodes.link, filesystem.link?.bind(filesystem), (link) => ({
    bodyBytesMin: 10,
    call: (request, context) => link(context, request.u64(0), request.nodeId, request.name(8)),
    encode: writeEntry,
  }));
}

function defineFileMakingOperations(table: OperationTable, filesystem: FuseFilesystem): void {
  table.define(opcodes.create, filesystem.create?.bind(filesystem), (create) => ({
    bodyBytesMin: 18,
    call: (request, context) => {
      context.umask = request.u32(8);
      return create(context, request.nodeId, request.name(16), request.u32(4) & 0o7777, request.u32(0));
    },
    encode: writeCreated,
  }));
  table.define(opcodes.tmpfile, filesystem.tmpfile?.bind(filesystem), (tmpfile) => ({
    bodyBytesMin: 16,
    call: (request, context) => {
      context.umask = request.u32(8);
      return tmpfile(context, request.nodeId, request.u32(4) & 0o7777, request.u32(0));
    },
    encode: writeCreated,
  }));
}

function defineRemovingOperations(table: OperationTable, filesystem: FuseFilesystem): void {
  table.define(opcodes.unlink, filesystem.unlink?.bind(filesystem), (unlink) => ({
    bodyBytesMin: 2,
    call: (request, context) => unlink(context, request.nodeId, request.name(0)),
  }));
  table.define(opcodes.rmdir, filesystem.rmdir?.bind(filesystem), (rmdir) => ({
    bodyBytesMin: 2,
    call: (request, context) => rmdir(context, request.nodeId, request.name(0)),
  }));
}

function renameMode(flags: number): FuseRenameMode {
  switch (flags) {
    case 0:
      return 'replace';
    case renameFlags.noReplace:
      return 'noReplace';
    case renameFlags.exchange:
      return 'exchange';
    default:
      // RENAME_WHITEOUT is for overlay filesystems.
      throw new FuseError('EINVAL');
  }
}

function defineRenaming(table: OperationTable, filesystem: FuseFilesystem): void {
  const rename = filesystem.rename?.bind(filesystem);
  table.define(opcodes.rename, rename, (handler) => ({
    bodyBytesMin: 12,
    call: (request, context) => {
      const toName = request.name(request.nameEnd(8) + 1);
      return handler(context, request.nodeId, request.name(8), request.u64(0), toName, 'replace');
    },
  }));
  table.define(opcodes.rename2, rename, (handler) => ({
    bodyBytesMin: 20,
    call: (request, context) => {
      const toName = request.name(request.nameEnd(16) + 1);
      const mode = renameMode(request.u32(8));
      return handler(context, request.nodeId, request.name(16), request.u64(0), toName, mode);
    },
  }));
}
