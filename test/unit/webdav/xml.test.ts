import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textOf, writeElement } from '../../../gateway/webdav/xml-element.ts';
import { parseXml } from '../../../gateway/webdav/xml-parser.ts';
import { readXmlBody } from '../../../gateway/webdav/xml-body.ts';
import { escapeAttribute, escapeText } from '../../../gateway/webdav/xml-text.ts';
import { isDriveError } from '../../../protocol/errors.ts';

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const refused = expect.objectContaining({ code: 'invalidArgument' }) as Error;

describe('hostile documents are refused', () => {
  test.each([
    ['an entity bomb', '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'],
    ['an external entity', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'],
    ['an unknown entity', '<a>&nbsp;</a>'],
    ['an entity named like a member of every object', '<a>&constructor;</a>'],
    ['an unbound prefix', '<x:a/>'],
    ['a prefix named like a member of every object', '<constructor:a/>'],
    ['a duplicate attribute', '<a b="1" b="2"/>'],
    ['an element that does not end', '<a>'],
    ['two roots', '<a/><b/>'],
    ['text alone', 'hello'],
    ['nothing but white space', '  '],
    ['a forbidden character', '<a>\u0001</a>'],
    ['a reference to a forbidden character', '<a>&#0;</a>'],
    ['depth', '<a>'.repeat(65) + '</a>'.repeat(65)],
    ['many elements', `<a>${'<b/>'.repeat(10_001)}</a>`],
    ['many attributes', `<a ${Array.from({ length: 65 }, (_, n) => `b${n}=""`).join(' ')}/>`],
  ])('%s', (_, text) => {
    expect(() => parseXml(text)).toThrowError(refused);
  });

  test('whatever is sent, it parses or is refused clearly', () => {
    const part = fc.constantFrom(
      '<',
      '>',
      '<a',
      '</a>',
      '/>',
      '&',
      ';',
      'amp',
      '"',
      ' x=',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '<?',
      '__proto__',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(part).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            parseXml(text);
          } catch (error) {
            if (!isDriveError(error, 'invalidArgument')) throw error;
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('readXmlBody', () => {
  test.each([1, 3, 1000])('reads UTF-8 in pieces of %i bytes', async (size) => {
    const root = await readXmlBody(inPieces(Buffer.from('<a xmlns="u:">€𝄞</a>'), size), 1000);
    expect(root).toEqual({ namespace: 'u:', local: 'a', attributes: [], children: ['€𝄞'] });
  });

  test.each([1, 3, 1000])('reads UTF-16 with a byte order mark in pieces of %i bytes', async (size) => {
    const root = await readXmlBody(inPieces(Buffer.from('\ufeff<a>€𝄞</a>', 'utf16le'), size), 1000);
    expect(root?.children).toEqual(['€𝄞']);
  });

  test('no body is no document', async () => {
    expect(await readXmlBody(inPieces(new Uint8Array(0), 1), 10)).toBeNull();
  });

  test('bytes that are not UTF-8 are refused', async () => {
    await expect(readXmlBody(inPieces(Buffer.from('<a>\xff</a>', 'latin1'), 2), 1000)).rejects.toThrowError(refused);
    await expect(readXmlBody(inPieces(Buffer.from([0x3c]), 2), 1000)).rejects.toThrowError(refused);
  });

  test('a body beyond the limit is refused before it is read to its end', async () => {
    let given = 0;
    const endless = async function* () {
      for (;;) {
        given++;
        yield Buffer.from('<a>');
      }
    };
    await expect(readXmlBody(endless(), 100)).rejects.toMatchObject({ code: 'tooLarge' });
    expect(given).toBeLessThan(40);
  });
});

test('an element means the same after it was written', () => {
  const text =
    '<p:a xmlns:p="urn:x" xmlns:q="urn:&quot;y" xml:lang="de" q:b="1&#10;2" c="&lt;"><d xmlns="">t&amp;</d><p:e/>]]&gt;&#13;</p:a>';
  const once = parseXml(text);
  const rewritten = parseXml(writeElement(once));
  expect(rewritten).toEqual(once);
  expect(writeElement(rewritten)).toBe(writeElement(once));
});

test('any text survives as far as XML can carry it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const carried = text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd');
      const root = parseXml(`<a b="${escapeAttribute(text)}">${escapeText(text)}</a>`);
      expect(textOf(root)).toBe(carried);
      expect(root.attributes[0]?.value).toBe(carried);
    }),
  );
});
