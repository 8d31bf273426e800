const kib = 1024;
const mib = 1024 * kib;

/** What one request, object or field may hold at most. Both ends check; beyond it is `tooLarge` (names: `nameTooLong`). */
export const limits = {
  /** As on every Linux filesystem (NAME_MAX). */
  nameBytesMax: 255,
  /** PATH_MAX less the terminating NUL. */
  symlinkTargetBytesMax: 4095,
  /** XATTR_NAME_MAX. */
  xattrNameBytesMax: 255,
  /** XATTR_SIZE_MAX. */
  xattrValueBytesMax: 64 * kib,
  xattrsPerInodeMax: 256,
  blockBytesMax: 1 * mib,
  /** A pack is closed once it holds this much. */
  packBytesTarget: 16 * mib,
  /** One `putBlocks` request; a client with more sends several. */
  putBlocksBytesMax: 64 * mib,
  haveHashesMax: 10_000,
  getBlocksHashesMax: 1_024,
  /** Entries of one manifest (64 GiB of data at the average block, any size of holes). */
  manifestEntriesMax: 262_144,
  fileBytesMax: 2 ** 50,
  commitOperationsMax: 10_000,
  /** All manifests of one commit together. */
  commitManifestEntriesMax: 524_288,
  /** A manifest of at most this many entries rides along in the changefeed. */
  inlineManifestEntriesMax: 32,
  /** Changes in one batch of the changefeed. */
  changesPerBatchMax: 5_000,
  listPageMax: 5_000,
  jsonBodyBytesMax: 128 * mib,
  xmlBodyBytesMax: 1 * mib,
  userNameCharactersMax: 64,
} as const;
