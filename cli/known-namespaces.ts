import { join } from 'node:path';
import { z } from 'zod';
import { isDriveError } from '../protocol/errors.ts';
import { parseId, type NamespaceId } from '../protocol/ids.ts';
import type { Metadata } from '../protocol/metadata.ts';
import { chooseNamespace } from './namespace-choice.ts';
import { readFileIfThere, writePrivateFile } from './private-file.ts';

const knownSchema = z.array(
  z.object({ server: z.string(), wanted: z.string().nullable(), id: z.string(), name: z.string() }),
);

/** Remembers which namespace a name meant at a server, so that a drive can be mounted while the server is away. */
export class KnownNamespaces {
  readonly #path: string;

  constructor(directory: string) {
    this.#path = join(directory, 'namespaces.json');
  }

  /** Asks the server; if it cannot be reached, what it said last time. */
  async choose(
    metadata: Metadata,
    server: string,
    wanted: string | undefined,
  ): Promise<{ readonly id: NamespaceId; readonly name: string }> {
    const known = knownSchema.parse(JSON.parse((await readFileIfThere(this.#path)) ?? '[]'));
    const isSame = (one: (typeof known)[number]): boolean => one.server === server && one.wanted === (wanted ?? null);
    try {
      const { id, name } = await chooseNamespace(metadata, wanted);
      const others = known.filter((one) => !isSame(one));
      await writePrivateFile(this.#path, JSON.stringify([...others, { server, wanted: wanted ?? null, id, name }]));
      return { id, name };
    } catch (error) {
      const remembered = known.find(isSame);
      const isAway = isDriveError(error, 'unavailable') || isDriveError(error, 'timeout');
      if (!isAway || remembered === undefined) throw error;
      return { id: parseId<NamespaceId>(remembered.id), name: remembered.name };
    }
  }
}
