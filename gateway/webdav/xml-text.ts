/**
 * Characters that XML 1.0 §2.2 has no way to write, not even as references: most control characters, U+FFFE,
 * U+FFFF and lone surrogates.
 */
const forbiddenInXml = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

const references: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
  '\n': '&#10;',
  '\t': '&#9;',
};

function refer(mark: string): string {
  return references[mark] ?? mark;
}

function withoutForbidden(text: string): string {
  return text.replaceAll(forbiddenInXml, '\ufffd');
}

/** `text` as the content of an element. What XML cannot carry becomes U+FFFD, so that a listing never breaks. */
export function escapeText(text: string): string {
  return withoutForbidden(text).replaceAll(/[&<>\r]/g, refer);
}

/** `text` as an attribute's value between double quotes; line ends and tabs survive normalization (XML 1.0 §3.3.3). */
export function escapeAttribute(text: string): string {
  return withoutForbidden(text).replaceAll(/[&<>"\r\n\t]/g, refer);
}
