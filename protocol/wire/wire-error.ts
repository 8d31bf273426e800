import { z } from 'zod';
import { DriveError, driveErrorCodes } from '../errors.ts';
import type { WireSchema } from './wire-json.ts';

/** A failure on the wire: it comes back as a `DriveError` of the same code and message. */
export interface WireError {
  readonly error: { readonly code: DriveError['code']; readonly message: string };
}

export const wireError = z.strictObject({
  error: z.strictObject({ code: z.enum(driveErrorCodes), message: z.string() }),
}) satisfies WireSchema<WireError>;

/** What is told of `error`; a defect's own words stay in the server's log. */
export function toWireError(error: DriveError): WireError {
  const message = error.code === 'internal' ? 'the server failed; its log says why' : error.message;
  return { error: { code: error.code, message } };
}

export function fromWireError({ error }: WireError): DriveError {
  return new DriveError(error.code, error.message);
}
