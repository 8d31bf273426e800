import { z } from 'zod';
import { DriveError } from '../errors.ts';

/** A schema that reads JSON into `Value` (`decode`) and writes it back (`encode`), checking both ways. */
export type WireSchema<Value> = z.ZodType<Value, unknown>;

/** What `value` is on the wire. Throws `invalidArgument` for a value that the other side would refuse. */
export function encodeJson<Value>(schema: WireSchema<Value>, value: Value): string {
  return JSON.stringify(checked(() => z.encode(schema, value)));
}

/**
 * Reads what `encodeJson` wrote, from a party that is not trusted: throws `invalidArgument` for bytes that are not
 * UTF-8, not JSON or not of the schema, or the `DriveError` a value of its own gives.
 */
export function decodeJson<Value>(schema: WireSchema<Value>, bytes: Uint8Array): Value {
  const json = parseJson(bytes);
  return checked(() => z.decode(schema, json));
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown;
  } catch (cause) {
    throw new DriveError('invalidArgument', 'what was sent is not JSON in UTF-8', { cause });
  }
}

function checked<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const issue = error.issues[0];
    const where = issue?.path.map(String).join('.') ?? '';
    const message = `malformed ${where === '' ? 'message' : `"${where.slice(0, 120)}"`}: ${issue?.message ?? 'invalid'}`;
    throw new DriveError('invalidArgument', message, { cause: error });
  }
}
