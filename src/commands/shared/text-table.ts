const PLAIN = /^[ -~]*$/;

/**
 * Columns under their heads, two spaces apart, without blanks at the ends of lines. Of hundreds of packs there are thousands of
 * cells: bare loops take half the time of a call for each.
 */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows];
  // A text of plain ASCII is as wide as it is long: one look at all of them costs less than one at each.
  const isPlain = PLAIN.test(lines.join());
  const widths = heads.map(() => 0);
  for (const line of lines)
    for (let column = 0; column < line.length; column++) {
      const cell = line[column] ?? "";
      const width = isPlain ? cell.length : Bun.stringWidth(cell);
      if (width > (widths[column] ?? 0)) widths[column] = width;
    }
  const drawn: string[] = [];
  for (const line of lines) {
    let text = "";
    for (let column = 0; column < line.length; column++) {
      const cell = line[column] ?? "";
      const width = (widths[column] ?? 0) + 2;
      text += isPlain ? cell.padEnd(width) : cell + " ".repeat(width - Bun.stringWidth(cell));
    }
    drawn.push(text.trimEnd());
  }
  return drawn.join("\n");
}
