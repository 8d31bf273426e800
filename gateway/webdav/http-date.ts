/** A file's time as HTTP tells it, to the second (RFC 9110 §5.6.7). */
export function formatHttpDate(timeNs: bigint): string {
  return new Date(Number(timeNs / 1_000_000n)).toUTCString();
}

/** A date header in milliseconds; `null` where it is no date, and then the header is to be ignored (RFC 9110 §13.1.3). */
export function parseHttpDate(header: string): number | null {
  if (!/^[A-Za-z]{3,9},? /.test(header)) return null;
  const ms = Date.parse(header);
  return Number.isNaN(ms) ? null : ms;
}

/** The second that HTTP tells of a file's time, in milliseconds. */
export function wholeSecondMs(timeNs: bigint): number {
  return Number(timeNs / 1_000_000_000n) * 1000;
}
