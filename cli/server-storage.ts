import { join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { placesFor } from './places.ts';

/** Where a server keeps what it keeps. */
export interface ServerStorage {
  /** The server's own folder: master keys, and by default all the rest. */
  readonly directory: string;
  /** `sqlite:FILE` or `postgres://…`. */
  readonly databaseUrl: string;
  /** `disk:DIR` or `s3://bucket/prefix?…`. */
  readonly storeUrl: string;
  readonly keyFile: string;
}

/** What the storage options of a command hold. */
export interface StorageOptions {
  readonly data?: string;
  readonly database?: string;
  readonly store?: string;
}

/** Gives a command the options that say where the server's data lies. */
export function addStorageOptions(command: Command): Command {
  return command
    .addOption(new Option('--data <dir>', "the server's folder (default: ~/.local/share/holdfast)"))
    .addOption(new Option('--database <url>', 'postgres://… or sqlite:FILE (default: a SQLite file in the folder)'))
    .addOption(
      new Option('--store <url>', 'disk:DIR or s3://BUCKET/PREFIX?endpoint=URL&region=R (default: in the folder)'),
    );
}

/** Fills in the defaults. The master keys always lie in the server's folder: back it up. */
export function serverStorage(options: StorageOptions): ServerStorage {
  const directory = resolve(options.data ?? placesFor(process.env).serverData);
  return {
    directory,
    databaseUrl: options.database ?? `sqlite:${join(directory, 'metadata.db')}`,
    storeUrl: options.store ?? `disk:${join(directory, 'packs')}`,
    keyFile: join(directory, 'master-keys.json'),
  };
}
