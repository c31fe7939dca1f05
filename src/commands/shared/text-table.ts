const PLAIN = /^[ -~]*$/;

/** Columns under their heads, two spaces apart, without blanks at the ends of lines. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows];
  // A text of plain ASCII is as wide as it is long: one look at all of them costs less than one at each.
  const isPlain = PLAIN.test(lines.map((line) => line.join("")).join(""));
  const widthOf = (text: string) => (isPlain ? text.length : Bun.stringWidth(text));
  const widths = heads.map((_, column) =>
    lines.reduce((most, line) => Math.max(most, widthOf(line[column] ?? "")), 0),
  );
  const padded = (text: string, width: number) =>
    isPlain ? text.padEnd(width) : text + " ".repeat(width - widthOf(text));
  return lines
    .map((line) =>
      line
        .map((cell, column) => padded(cell, widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
