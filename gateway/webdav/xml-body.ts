import { TextDecoder } from 'node:util';
import { DriveError } from '../../protocol/errors.ts';
import type { XmlElement } from './xml-element.ts';
import { XmlTreeParser } from './xml-parser.ts';

/**
 * Reads a request body as XML while it arrives. `null` if there is no body. Throws `tooLarge` beyond `bytesMax`
 * and `invalidArgument` for what is not acceptable XML. UTF-8 and, with a byte order mark, UTF-16 are read
 * (RFC 4918 §8.2).
 */
export async function readXmlBody(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<XmlElement | null> {
  let decoder: TextDecoder | null = null;
  let held: Uint8Array = new Uint8Array(0);
  let bytes = 0;
  const parser = new XmlTreeParser();
  const feed = (piece: Uint8Array, last: boolean) => {
    decoder ??= decoderFor(piece);
    parser.write(decode(decoder, piece, last));
  };
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > bytesMax) throw new DriveError('tooLarge', `an XML body has at most ${bytesMax} bytes`);
    // The first piece may end within the byte order mark.
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    if (decoder === null && held.length < 2) continue;
    feed(held, false);
    held = new Uint8Array(0);
  }
  if (bytes === 0) return null;
  feed(held, true);
  return parser.finish();
}

function decoderFor(start: Uint8Array): TextDecoder {
  if (start[0] === 0xff && start[1] === 0xfe) return new TextDecoder('utf-16le', { fatal: true });
  if (start[0] === 0xfe && start[1] === 0xff) return new TextDecoder('utf-16be', { fatal: true });
  return new TextDecoder('utf-8', { fatal: true });
}

function decode(decoder: TextDecoder, piece: Uint8Array, last: boolean): string {
  try {
    return decoder.decode(piece, { stream: !last });
  } catch (error) {
    throw new DriveError('invalidArgument', 'the XML is not acceptable: its text is not in its encoding', {
      cause: error,
    });
  }
}
