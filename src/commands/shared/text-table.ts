const PLAIN = /^[ -~]*$/;

/** Columns under their heads, two spaces apart, without blanks at the ends of lines. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows];
  // A text of plain ASCII is as wide as it is long: one look at all of them costs less than one at each.
  const isPlain = PLAIN.test(lines.map((line) => line.join("")).join(""));
  const widths = heads.map(() => 0);
  for (const line of lines)
    line.forEach((cell, column) => {
      const width = isPlain ? cell.length : Bun.stringWidth(cell);
      if (width > (widths[column] ?? 0)) widths[column] = width;
    });
  const padded = isPlain
    ? (cell: string, column: number) => cell.padEnd(widths[column] ?? 0)
    : (cell: string, column: number) => cell + " ".repeat((widths[column] ?? 0) - Bun.stringWidth(cell));
  return lines.map((line) => line.map(padded).join("  ").trimEnd()).join("\n");
}
