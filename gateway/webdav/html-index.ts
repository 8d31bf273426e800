import type { Exchange, Target } from './exchange.ts';
import { ResponseWriter } from '../response-writer.ts';
import { encodeSegment } from './url-path.ts';
import { escapeAttribute, escapeText } from './xml-text.ts';

const headers = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'private, no-cache',
};

/** A plain page that lists a collection (or, for `null`, the namespaces), for a browser that comes by. */
export async function writeIndex(exchange: Exchange, target: Target | null): Promise<void> {
  const { request, response } = exchange;
  response.writeHead(200, headers);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const writer = new ResponseWriter(response, exchange.signal);
  const title = target === null ? 'Holdfast' : `/${[target.urlName, ...target.path].join('/')}`;
  await writer.text(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
      `<title>${escapeText(title)}</title><style>body{font:16px system-ui;margin:2em}td{padding:.2em 1em .2em 0}</style>` +
      `<h1>${escapeText(title)}</h1><table>`,
  );
  if (target !== null) await writer.text(row(parentHref(exchange, target), '..', null));
  for await (const { href, label, size } of rows(exchange, target)) await writer.text(row(href, label, size));
  await writer.text('</table></html>\n');
  await writer.end();
}

interface Row {
  readonly href: string;
  readonly label: string;
  /** Bytes of a file; `null` for a collection. */
  readonly size: number | null;
}

async function* rows(exchange: Exchange, target: Target | null): AsyncGenerator<Row> {
  if (target === null) {
    const { prefix } = exchange.dependencies;
    for (const name of (await exchange.namespaces()).keys()) {
      yield { href: `${prefix}/${encodeSegment(name)}/`, label: `${name}/`, size: null };
    }
    return;
  }
  const { tree, path } = target;
  const { shown } = await tree.require(path);
  for await (const entries of tree.list(path, shown.inode, exchange.limits.listPage)) {
    for (const { name, shown: state } of entries) {
      const collection = state.kind === 'directory';
      const href = exchange.href(target, [...path, name], collection);
      yield { href, label: collection ? `${name}/` : name, size: collection ? null : state.size };
    }
  }
}

function parentHref(exchange: Exchange, target: Target): string {
  if (target.path.length === 0) return `${exchange.dependencies.prefix}/`;
  return exchange.href(target, target.path.slice(0, -1), true);
}

function row(href: string, label: string, size: number | null): string {
  const bytes = size === null ? '' : `${size.toLocaleString('en')} bytes`;
  return `<tr><td><a href="${escapeAttribute(href)}">${escapeText(label)}</a><td>${bytes}`;
}
