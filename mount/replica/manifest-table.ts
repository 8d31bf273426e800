import type { Version } from '../../protocol/ids.ts';
import { decodeManifest, encodeManifest } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { ReplicaDatabase } from './database.ts';
import type { InodeRow } from './inode-table.ts';

/** The manifests known here, at most one an inode: that of its committed version. */
export class ManifestTable {
  readonly #db: ReplicaDatabase;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
  }

  get(row: InodeRow): Manifest | undefined {
    if (row.version === 0) return { profile: '', entries: [] };
    const stored = this.#db.get('select version, manifest from manifests where ino = ?', row.ino) as
      { version: Version; manifest: Uint8Array } | undefined;
    return stored?.version === row.version ? decodeManifest(stored.manifest) : undefined;
  }

  set(row: InodeRow, version: Version, manifest: Manifest | null): void {
    if (manifest === null) {
      this.#db.run('delete from manifests where ino = ? and version <> ?', row.ino, version);
      return;
    }
    this.#db.run(
      `insert into manifests (ino, version, manifest) values (?, ?, ?)
       on conflict (ino) do update set version = excluded.version, manifest = excluded.manifest`,
      ...[row.ino, version, encodeManifest(manifest)],
    );
  }
}
