/** Numbers of the kernel's FUSE protocol, from include/uapi/linux/fuse.h (7.38; those of 7.39 to 7.45 from later kernels). */

export const protocolMajor = 7;
/** The oldest minor version spoken: what Linux 5.4 brought. */
export const protocolMinorMin = 31;
/** The newest minor version whose structures are known here; the kernel goes down to it. */
export const protocolMinorMax = 45;

export const rootNodeId = 1;

export const opcodes = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  access: 34,
  create: 35,
  interrupt: 36,
  destroy: 38,
  notifyReply: 41,
  batchForget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
  lseek: 46,
  copyFileRange: 47,
  tmpfile: 51,
  /** 7.45: as copyFileRange, answered with a 64-bit count. */
  copyFileRange64: 53,
} as const;

/** Bits 0 to 31 of the INIT flags. */
export const initFlags = {
  asyncRead: 1 << 0,
  posixLocks: 1 << 1,
  atomicTruncate: 1 << 3,
  exportSupport: 1 << 4,
  bigWrites: 1 << 5,
  dontMask: 1 << 6,
  flockLocks: 1 << 10,
  autoInvalidateData: 1 << 12,
  readdirplus: 1 << 13,
  readdirplusAuto: 1 << 14,
  asyncDirectIo: 1 << 15,
  writebackCache: 1 << 16,
  noOpenSupport: 1 << 17,
  parallelDirectoryOperations: 1 << 18,
  posixAcl: 1 << 20,
  abortError: 1 << 21,
  maxPages: 1 << 22,
  cacheSymlinks: 1 << 23,
  noOpendirSupport: 1 << 24,
  explicitInvalidateData: 1 << 25,
  handleKillPrivilegesV2: 1 << 28,
  setxattrExtended: 1 << 29,
  initExtended: 1 << 30,
} as const;

/** Bits 32 to 63 of the INIT flags, which travel in `flags2`. */
export const initFlags2 = {
  hasExpireOnly: 1 << (35 - 32),
  directIoAllowMmap: 1 << (36 - 32),
  passthrough: 1 << (37 - 32),
  noExportSupport: 1 << (38 - 32),
} as const;

/** What OPEN, CREATE and OPENDIR answer (FOPEN_…). */
export const openReplyFlags = {
  /** Reads and writes go around the kernel's page cache. */
  directIo: 1 << 0,
  /** What the page cache holds of the file is still right. */
  keepCache: 1 << 1,
  nonSeekable: 1 << 2,
  /** The kernel may cache the listing. */
  cacheDirectory: 1 << 3,
  stream: 1 << 4,
  /** No FLUSH for this open. */
  noFlush: 1 << 5,
  parallelDirectWrites: 1 << 6,
  /** Reads and writes go to the backing file (7.40). */
  passthrough: 1 << 7,
} as const;

/** What is set by SETATTR (FATTR_…). */
export const setattrBits = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  atime: 1 << 4,
  mtime: 1 << 5,
  fh: 1 << 6,
  atimeNow: 1 << 7,
  mtimeNow: 1 << 8,
  lockOwner: 1 << 9,
  ctime: 1 << 10,
  killPrivileges: 1 << 11,
} as const;

export const getattrFlags = { fh: 1 << 0 } as const;
export const writeFlags = { cache: 1 << 0, lockOwner: 1 << 1, killPrivileges: 1 << 2 } as const;
export const openRequestFlags = { killPrivileges: 1 << 0 } as const;
export const fsyncFlags = { dataOnly: 1 << 0 } as const;

/** renameat2(2). */
export const renameFlags = { noReplace: 1 << 0, exchange: 1 << 1 } as const;
/** setxattr(2). */
export const xattrFlags = { create: 1, replace: 2 } as const;
/** lseek(2). */
export const seekWhence = { data: 3, hole: 4 } as const;

export const notifyCodes = { invalidateInode: 2, invalidateEntry: 3, delete: 6 } as const;

/** The type bits of a mode (S_IF…). */
export const fileTypeBits = {
  mask: 0o170000,
  fifo: 0o010000,
  characterDevice: 0o020000,
  directory: 0o040000,
  blockDevice: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;

/** open(2) flags as the kernel sends them: those of x86-64 and arm64 agree in these. */
export const openFlags = {
  accessMask: 0o3,
  readOnly: 0o0,
  writeOnly: 0o1,
  readWrite: 0o2,
  truncate: 0o1000,
  append: 0o2000,
  dsync: 0o10000,
  noAccessTime: 0o1000000,
  sync: 0o4010000,
} as const;

/** fallocate(2) modes. */
export const fallocateModes = {
  keepSize: 0x01,
  punchHole: 0x02,
  collapseRange: 0x08,
  zeroRange: 0x10,
  insertRange: 0x20,
} as const;
