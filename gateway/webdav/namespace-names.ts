import type { NamespaceInfo } from '../../protocol/metadata.ts';

/**
 * Namespaces by the name they have in URLs, in the order given: the first of a name keeps it, a later one is told
 * apart by the start of its id. A "/" in a name cannot be in a URL's segment and becomes "_".
 */
export function namedNamespaces(namespaces: readonly NamespaceInfo[]): ReadonlyMap<string, NamespaceInfo> {
  const named = new Map<string, NamespaceInfo>();
  for (const namespace of namespaces) {
    const name = namespace.name.replaceAll('/', '_');
    named.set(named.has(name) ? `${name}~${namespace.id}` : name, namespace);
  }
  return named;
}
