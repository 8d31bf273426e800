import { DriveError } from '../../../protocol/errors.ts';
import type { PropertyName } from '../properties/property-name.ts';
import { childElements, davChildren, isDav } from '../xml-element.ts';
import type { XmlElement } from '../xml-element.ts';

/** Which properties a PROPFIND asks for (RFC 4918 §14.20). */
export type PropfindRequest =
  | { readonly type: 'allprop'; readonly include: readonly PropertyName[] }
  | { readonly type: 'propname' }
  | { readonly type: 'prop'; readonly names: readonly PropertyName[] };

/** A listing repeats every name for every entry, so their number is bounded. */
const namesMax = 200;

/** Reads the body of a PROPFIND; none asks for `allprop`. Throws `invalidArgument`. */
export function parsePropfind(body: XmlElement | null): PropfindRequest {
  if (body === null) return { type: 'allprop', include: [] };
  if (!isDav(body, 'propfind'))
    throw new DriveError('invalidArgument', 'the body of a PROPFIND must be a DAV:propfind');
  const [prop, ...moreProps] = davChildren(body, 'prop');
  const allprop = davChildren(body, 'allprop').length;
  const propname = davChildren(body, 'propname').length;
  if ((prop === undefined ? 0 : 1) + moreProps.length + allprop + propname !== 1) {
    throw new DriveError('invalidArgument', 'a DAV:propfind holds exactly one of prop, allprop and propname');
  }
  if (prop !== undefined) return { type: 'prop', names: namesIn([prop]) };
  return propname === 1 ? { type: 'propname' } : { type: 'allprop', include: namesIn(davChildren(body, 'include')) };
}

function namesIn(elements: readonly XmlElement[]): PropertyName[] {
  const names = elements.flatMap(childElements).map(({ namespace, local }) => ({ namespace, local }));
  if (names.length > namesMax) throw new DriveError('tooLarge', `a PROPFIND asks for at most ${namesMax} properties`);
  return names;
}
