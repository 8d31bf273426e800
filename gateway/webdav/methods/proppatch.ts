import { DriveError } from '../../../protocol/errors.ts';
import type { Operation } from '../../../protocol/operations.ts';
import type { Exchange } from '../exchange.ts';
import { requireUnlocked } from '../lock-guard.ts';
import { multistatusEnd, multistatusStart, propstat, responseElement, xmlContentType } from '../multistatus.ts';
import { checkPreconditions } from '../preconditions.ts';
import { xattrNameOf, xattrValueOf } from '../properties/dead-properties.ts';
import { isLiveProperty } from '../properties/live-properties.ts';
import { setsTime, timeNsOf } from '../properties/settable-time.ts';
import { commitAll, untilCommitted } from '../tree-commit.ts';
import { childElements, davChildren, isDav, languageAttribute, languageOf, writeEmptyElement } from '../xml-element.ts';
import type { XmlElement } from '../xml-element.ts';

/** One property to set to its element, or to remove. */
interface Instruction {
  readonly action: 'set' | 'remove';
  readonly element: XmlElement;
}

/** What the instructions come to, all of them or, if one is refused, none. */
interface PropertyChanges {
  mtimeNs: bigint | null;
  readonly xattrs: Map<string, Uint8Array | null>;
}

type Verdict = 200 | 403 | 409 | 507;

/** PROPPATCH (RFC 4918 §9.2): all instructions in one commit, or, if one cannot be carried out, none. */
export async function proppatch(exchange: Exchange): Promise<void> {
  const instructions = parseInstructions(await exchange.xmlBody());
  const target = await exchange.treeTarget();
  const { tree, path } = target;
  const changes: PropertyChanges = { mtimeNs: null, xattrs: new Map() };
  const verdicts = instructions.map((instruction) => judge(instruction, changes));
  const possible = verdicts.every((verdict) => verdict === 200);
  const collection = await untilCommitted(exchange, async () => {
    const { shown } = await tree.require(path);
    const tokens = await checkPreconditions(exchange, target, shown);
    await requireUnlocked(exchange, [{ target, path, below: false }], tokens);
    const operation: Operation = {
      type: 'attributes',
      inode: shown.inode,
      set: {
        ...(changes.mtimeNs === null ? {} : { mtimeNs: changes.mtimeNs }),
        ctimeNs: exchange.dependencies.clock.nowNs(),
      },
      xattrs: changes.xattrs,
    };
    if (possible && instructions.length > 0) await commitAll(exchange, tree, [operation]);
    return shown.kind === 'directory';
  });
  const propstats = instructions.map((instruction, index) => describe(instruction, verdicts[index] ?? 200, possible));
  exchange.response.writeHead(207, { 'Content-Type': xmlContentType });
  exchange.response.end(
    multistatusStart + responseElement(exchange.href(target, path, collection), propstats.join('')) + multistatusEnd,
  );
}

/** The instructions in document order, which is the order they take effect in. Throws `invalidArgument`. */
function parseInstructions(body: XmlElement | null): Instruction[] {
  if (body === null || !isDav(body, 'propertyupdate')) {
    throw new DriveError('invalidArgument', 'the body of a PROPPATCH must be a DAV:propertyupdate');
  }
  const updateLanguage = languageOf(body.attributes, null);
  const instructions: Instruction[] = [];
  for (const group of childElements(body)) {
    const action = isDav(group, 'set') ? 'set' : isDav(group, 'remove') ? 'remove' : null;
    if (action === null) continue;
    const groupLanguage = languageOf(group.attributes, updateLanguage);
    for (const prop of davChildren(group, 'prop')) {
      const language = languageOf(prop.attributes, groupLanguage);
      for (const element of childElements(prop))
        instructions.push({ action, element: withLanguage(element, language) });
    }
  }
  if (instructions.length === 0) throw new DriveError('invalidArgument', 'a PROPPATCH names at least one property');
  return instructions;
}

/** `xml:lang` counts for what is inside, so a property keeps the one it stood in (RFC 4918 §4.3). */
function withLanguage(element: XmlElement, language: string | null): XmlElement {
  if (language === null || languageOf(element.attributes, null) !== null) return element;
  return { ...element, attributes: [...element.attributes, languageAttribute(language)] };
}

/** Adds an instruction to `changes`, or says with which status it cannot be carried out. */
function judge({ action, element }: Instruction, changes: PropertyChanges): Verdict {
  if (setsTime(element)) {
    const timeNs = action === 'set' ? timeNsOf(element) : null;
    if (action === 'set' && timeNs === null) return 409;
    changes.mtimeNs = timeNs ?? changes.mtimeNs;
    if (isLiveProperty(element)) return action === 'set' ? 200 : 403;
  }
  if (isLiveProperty(element)) return 403;
  const name = xattrNameOf(element);
  if (name === null) return 507;
  const value = action === 'set' ? xattrValueOf(element) : null;
  if (action === 'set' && value === null) return 507;
  changes.xattrs.set(name, value);
  return 200;
}

/** If one instruction failed, the others did by depending on it (424). */
function describe({ element }: Instruction, verdict: Verdict, possible: boolean): string {
  const status = verdict === 200 && !possible ? 424 : verdict;
  const condition = status === 403 ? 'cannot-modify-protected-property' : undefined;
  return propstat(status, [writeEmptyElement(element)], condition);
}
