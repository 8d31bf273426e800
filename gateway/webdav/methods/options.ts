import type { Exchange } from '../exchange.ts';

export const allMethods = 'OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, LOCK, UNLOCK';

/** OPTIONS: what this door can do, the same everywhere. Classes 1, 2 and 3 of RFC 4918 §18; Windows asks for `MS-Author-Via`. */
export async function options(exchange: Exchange): Promise<void> {
  exchange.finish(200, { DAV: '1, 2, 3', Allow: allMethods, 'MS-Author-Via': 'DAV', 'Accept-Ranges': 'bytes' });
}
