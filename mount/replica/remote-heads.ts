import type { Version } from '../../protocol/ids.ts';
import { decodeManifest, encodeManifest } from '../../protocol/manifest.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { ReplicaDatabase } from './database.ts';
import type { Ino } from './local-inode.ts';

/** The server's content of a file whose content is dirty here on top of an older version. */
export interface RemoteHead {
  readonly version: Version;
  readonly size: number;
  /** `null` if the server did not send it along. */
  readonly manifest: Manifest | null;
}

/**
 * What the server said of contents while they were dirty here. Who wrote here has not seen it, so it changes nothing that is
 * visible; it is what the file has once the dirty content is gone.
 */
export class RemoteHeads {
  readonly #db: ReplicaDatabase;

  constructor(db: ReplicaDatabase) {
    this.#db = db;
  }

  get(ino: Ino): RemoteHead | undefined {
    const row = this.#db.get('select version, size, manifest from remote_heads where ino = ?', ino) as
      { version: Version; size: number; manifest: Uint8Array | null } | undefined;
    return row && { ...row, manifest: row.manifest && decodeManifest(row.manifest) };
  }

  set(ino: Ino, { version, size, manifest }: RemoteHead): void {
    this.#db.run(
      `insert into remote_heads (ino, version, size, manifest) values (?, ?, ?, ?)
       on conflict (ino) do update set size = excluded.size, version = excluded.version,
         manifest = iif(version = excluded.version, coalesce(excluded.manifest, manifest), excluded.manifest)`,
      ...[ino, version, size, manifest && encodeManifest(manifest)],
    );
  }

  delete(ino: Ino): void {
    this.#db.run('delete from remote_heads where ino = ?', ino);
  }
}
