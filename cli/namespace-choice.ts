import { DriveError } from '../protocol/errors.ts';
import type { Metadata, NamespaceInfo } from '../protocol/metadata.ts';

/** The namespace of that name or id, or the user's own if none is named. Throws `notFound` with the ones there are. */
export async function chooseNamespace(metadata: Metadata, wanted: string | undefined): Promise<NamespaceInfo> {
  const namespaces = await metadata.namespaces();
  const found = namespaces.find((one) => wanted === undefined || one.name === wanted || one.id === wanted);
  if (found !== undefined) return found;
  const names = namespaces.map((one) => one.name).join(', ');
  throw new DriveError(
    'notFound',
    `no drive ${wanted === undefined ? '' : `"${wanted}" `}for you here; there is: ${names}`,
  );
}
