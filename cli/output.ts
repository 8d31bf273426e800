/** Writes one line to standard output, for people or, where a command has `--json`, for programs. */
export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** Writes data for programs: JSON on one line. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value));
}

/** Writes a remark to standard error, where it does not mix with data. */
export function printRemark(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Pads the cells of a table so that its columns line up. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
