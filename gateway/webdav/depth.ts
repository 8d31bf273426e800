import { DriveError } from '../../protocol/errors.ts';
import type { Exchange } from './exchange.ts';

export type Depth = '0' | '1' | 'infinity';

/** The `Depth` header; absent means infinity (RFC 4918 §10.2). Throws `invalidArgument` unless it is one of `allowed`. */
export function parseDepth(exchange: Exchange, allowed: readonly Depth[]): Depth {
  const header = exchange.header('depth')?.trim().toLowerCase() ?? 'infinity';
  const depth = allowed.find((value) => value === header);
  if (depth === undefined) throw new DriveError('invalidArgument', `Depth must be one of ${allowed.join(', ')} here`);
  return depth;
}
