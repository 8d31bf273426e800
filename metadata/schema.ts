/** What a column holds, for statements that insert many rows at once. */
export type ColumnType = 'text' | 'integer' | 'bytes';

/** A value as it is stored. */
export type Cell = string | number | Uint8Array | null;

/** The tables that get rows in sets, with their columns in the order of a row. The whole schema is in `migrations.ts`. */
export const tables = {
  inodes: {
    namespace: 'text',
    inode: 'text',
    since: 'integer',
    kind: 'text',
    mode: 'integer',
    uid: 'integer',
    gid: 'integer',
    mtime_ns: 'text',
    ctime_ns: 'text',
    size: 'integer',
    version: 'integer',
    rdev: 'integer',
    target: 'text',
    xattrs: 'text',
  },
  dentries: { namespace: 'text', parent: 'text', name: 'text', inode: 'text', since: 'integer' },
  versions: {
    namespace: 'text',
    inode: 'text',
    version: 'integer',
    size: 'integer',
    entries: 'integer',
    manifest: 'bytes',
    author: 'text',
    time_ms: 'integer',
  },
  namespace_blocks: { namespace: 'text', hash: 'text' },
  uploads: { user_id: 'text', hash: 'text', time_ms: 'integer' },
  blocks: {
    hash: 'text',
    pack: 'text',
    pack_offset: 'integer',
    stored_length: 'integer',
    length: 'integer',
    encoding: 'text',
  },
} as const satisfies Record<string, Record<string, ColumnType>>;

export type TableName = keyof typeof tables;

/** One row of a table of `tables`, complete. */
export type RowOf<Table extends TableName> = { readonly [Column in keyof (typeof tables)[Table]]: Cell };
